"""``plugin inject|call|start|…`` and ``board plugin list``: plugins on boards."""

from __future__ import annotations

import argparse
import json
from typing import Any

from iotronic_mec.cli.arguments import count, json_object, merged, positive, typed_pair
from iotronic_mec.cli.columns import Row, Rows, many, plain
from iotronic_mec.cli.command import Listing, Ordering, Showing, answer_row
from iotronic_mec.cli.v1.board import with_board
from iotronic_mec.sdk import Error, LogLine, Target
from iotronic_mec.sdk.injection import STATUS

LOG_COLUMNS = ("time", "stream", "text")

LISTED = ("plugin", "name", "status", "onboot", "running", "pid", "converged", "updated_at")


class ListInjections(Listing):
    """List the plugins on a board"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_board(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """List them."""
        rows = self.cloud.injections.on_board(parsed_args.board)
        return many(rows, LISTED)


class InjectPlugin(Ordering):
    """Send a plugin to a board, or bring the board's copy up to date"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_target(super().get_parser(prog_name))
        parser.add_argument("--onboot", action="store_true", help="start it with the board")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Inject it."""
        answer = self.cloud.injections.inject(
            target(parsed_args), onboot=parsed_args.onboot, wait=False
        )
        return self.finish(answer, words("inject", parsed_args), parsed_args)


class CallPlugin(Ordering):
    """Run a plugin on a board to its end and show its result

    Needs a plugin made with --callable.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_parameters(with_target(super().get_parser(prog_name)))

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Call it."""
        answer = self.cloud.injections.call(
            target(parsed_args), parameters(parsed_args), wait=False
        )
        return self.finish(answer, words("call", parsed_args), parsed_args)


class StartPlugin(Ordering):
    """Start a plugin on a board; it runs until it is stopped"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_parameters(with_target(super().get_parser(prog_name)))

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Start it."""
        answer = self.cloud.injections.start(
            target(parsed_args), parameters(parsed_args), wait=False
        )
        return self.finish(answer, words("start", parsed_args), parsed_args)


class StopPlugin(Ordering):
    """Stop a plugin on a board"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_target(super().get_parser(prog_name))
        parser.add_argument(
            "--delay",
            type=positive,
            default=0.0,
            metavar="SECONDS",
            help="stop it after this time (default: at once)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Stop it."""
        answer = self.cloud.injections.stop(
            target(parsed_args), delay_s=parsed_args.delay, wait=False
        )
        return self.finish(answer, words("stop", parsed_args), parsed_args)


class RebootPlugin(Ordering):
    """Stop a plugin on a board and start it, with its parameters unless others are given"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_parameters(with_target(super().get_parser(prog_name)))

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Reboot it."""
        answer = self.cloud.injections.reboot(
            target(parsed_args), parameters(parsed_args), wait=False
        )
        return self.finish(answer, words("reboot", parsed_args), parsed_args)


class RemovePlugin(Ordering):
    """Stop a plugin and take it off a board"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_target(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Remove it."""
        answer = self.cloud.injections.remove(target(parsed_args), wait=False)
        return self.finish(answer, words("remove", parsed_args), parsed_args)


class PluginStatus(Showing):
    """Tell whether a plugin runs on a board: ALIVE or DEAD"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_target(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Ask for it."""
        return answer_row(self.cloud.injections.act(target(parsed_args), STATUS))


class PluginLogs(Listing):
    """Show the last lines a plugin wrote on a board, and follow it

    With --follow lines are printed as they come, until you press Ctrl-C.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_target(super().get_parser(prog_name))
        parser.add_argument(
            "--lines",
            type=count,
            default=100,
            metavar="N",
            help="how many, 1 to 1000 (default: 100)",
        )
        parser.add_argument(
            "--follow",
            action="store_true",
            help="go on with what the plugin writes; with -f json one object a line",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """Show them."""
        if parsed_args.follow:
            self.follow(parsed_args)
            return LOG_COLUMNS, ()
        logs = self.cloud.injections.logs(target(parsed_args), lines=parsed_args.lines)
        if logs.dropped:
            self.say(f"{logs.dropped} older lines were not kept")
        return many(logs.lines, LOG_COLUMNS)

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Any, data: Any) -> int:
        """Print the table, unless all has been printed as it came."""
        if parsed_args.follow:
            return 0
        return int(super().produce_output(parsed_args, column_names, data) or 0)

    def follow(self, parsed_args: argparse.Namespace) -> None:
        """Print lines as they come, until interrupted."""
        out = self.app.stdout

        def away(error: Error) -> None:
            self.say(f"waiting: {error.message}")

        try:
            for part in self.cloud.injections.follow(
                target(parsed_args), lines=parsed_args.lines, away=away
            ):
                if part.missed:
                    self.say(f"{part.missed} lines are not kept any more")
                for line in part.lines:
                    out.write(f"{log_line(line, parsed_args.formatter)}\n")
                out.flush()
        except KeyboardInterrupt:
            self.say("")


def log_line(line: LogLine, formatter: str) -> str:
    """Return a line of a log as it is printed when followed."""
    if formatter == "json":
        return json.dumps({name: getattr(line, name) for name in LOG_COLUMNS})
    return f"{line.time} {line.stream}: {plain(line.text)}"


def with_target(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add board and plugin."""
    parser.add_argument("board", metavar="BOARD", help="name or uuid of the board")
    parser.add_argument("plugin", metavar="PLUGIN", help="name or uuid of the plugin")
    return parser


def with_parameters(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the ways to give parameters."""
    parser.add_argument(
        "--param",
        metavar="KEY=VALUE",
        type=typed_pair,
        action="append",
        help="one parameter; the value is JSON if it can be, else text; can be repeated",
    )
    parser.add_argument(
        "--params", metavar="JSON|@FILE", type=json_object, help="parameters, a JSON object"
    )
    return parser


def target(parsed_args: argparse.Namespace) -> Target:
    """Return board and plugin."""
    return Target(board=parsed_args.board, plugin=parsed_args.plugin)


def parameters(parsed_args: argparse.Namespace) -> dict[str, object]:
    """Return the parameters, single ones over those of ``--params``."""
    return merged(parsed_args.params, parsed_args.param)


def words(verb: str, parsed_args: argparse.Namespace) -> str:
    """Return what is being done, for the progress."""
    return f"{verb} {parsed_args.plugin} on {parsed_args.board}"
