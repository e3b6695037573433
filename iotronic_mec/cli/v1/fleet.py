"""``fleet …``: named sets of boards, and who is in them."""

from __future__ import annotations

import argparse
from typing import Any

from iotronic_mec.cli import exits
from iotronic_mec.cli.arguments import json_object
from iotronic_mec.cli.columns import Row, Rows, many, one
from iotronic_mec.cli.command import Doing, Listing, Showing, add_waiting
from iotronic_mec.cli.progress import Bar
from iotronic_mec.cli.v1.board import LISTED as BOARD_COLUMNS
from iotronic_mec.cli.v1.board import add_limit
from iotronic_mec.sdk.answer import Answer

LISTED = ("uuid", "name", "description")


class CreateFleet(Showing):
    """Create a fleet"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NAME", help="name of the fleet")
        add_fields(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Create it."""
        made = self.cloud.fleets.create(
            parsed_args.name,
            description=parsed_args.description or "",
            extra=parsed_args.extra,
        )
        return one(made)


class ListFleets(Listing):
    """List fleets"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--project", help="fleets of another project (administrators)")
        add_limit(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """List them."""
        rows = self.cloud.fleets.iterate(limit=parsed_args.limit, project=parsed_args.project)
        return many(rows, LISTED)


class ShowFleet(Showing):
    """Show a fleet"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_fleet(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Show it."""
        return one(self.cloud.fleets.get(parsed_args.fleet))


class SetFleet(Showing):
    """Change fields of a fleet"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_fleet(super().get_parser(prog_name))
        parser.add_argument("--name", help="new name")
        add_fields(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Change it."""
        given = vars(parsed_args)
        named = ("name", "description", "extra")
        changes: dict[str, Any] = {k: given[k] for k in named if given[k] is not None}
        return one(self.cloud.fleets.update(parsed_args.fleet, changes))


class DeleteFleet(Doing):
    """Delete fleets; boards are never deleted with them

    A fleet that has boards stays, unless --release takes them out first.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("fleets", metavar="FLEET", nargs="+", help="name or uuid")
        parser.add_argument(
            "--release", action="store_true", help="take the boards out of the fleet first"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Delete them."""
        self.each(
            parsed_args.fleets,
            lambda fleet: self.cloud.fleets.delete(fleet, release=parsed_args.release),
        )


class AddBoards(Doing):
    """Put boards into a fleet; a board is in one fleet at most"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_boards(with_fleet(super().get_parser(prog_name)))

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Put them there."""
        changes = {"fleet": self.cloud.fleets.get(parsed_args.fleet).uuid}

        def put(board: str) -> None:
            self.cloud.boards.update(board, changes)

        self.each(parsed_args.boards, put)


class RemoveBoards(Doing):
    """Take boards out of a fleet; one that is not in it is left alone"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_boards(with_fleet(super().get_parser(prog_name)))

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Take them out."""
        fleet = self.cloud.fleets.get(parsed_args.fleet).uuid

        def take_out(board: str) -> None:
            if self.cloud.boards.get(board).fleet == fleet:
                self.cloud.boards.update(board, {"fleet": None})
            else:
                self.say(f"{board} is not in {parsed_args.fleet}")

        self.each(parsed_args.boards, take_out)


class ListFleetBoards(Listing):
    """List the boards of a fleet"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_fleet(super().get_parser(prog_name))
        parser.add_argument(
            "--status",
            choices=("registered", "offline", "online"),
            help="only boards of this status",
        )
        add_limit(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """List them."""
        boards = self.cloud.fleets.boards(
            parsed_args.fleet, limit=parsed_args.limit, status=parsed_args.status
        )
        return many(boards, BOARD_COLUMNS)


class FleetOrdering(Listing):
    """A command that has the boards of a fleet do something, and lists each one's result."""

    def get_epilog(self) -> str:
        """Return the exit codes."""
        return exits.WAITING_EPILOG

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return a parser that knows the fleet and how long to wait."""
        parser = with_fleet(super().get_parser(prog_name))
        add_waiting(parser)
        return parser

    def finish(self, answer: Answer, what: str, parsed_args: argparse.Namespace) -> Rows:
        """Wait for all boards unless told not to, and list their results.

        :param what: what is being done, in words, for the progress
        """
        request = str(answer.request)
        if parsed_args.wait:
            bar = Bar(self.app.stderr, what, quiet=self.app.options.verbose_level == 0)
            try:
                ended = self.cloud.requests.wait(
                    request, timeout_s=parsed_args.timeout, progress=bar
                )
            finally:
                bar.close()
            self.exit_code = self.exit_code if ended.state == "succeeded" else exits.FAILED
        else:
            self.say(f"request {request}; 'request wait {request}' waits for it")
        results = self.cloud.requests.iterate_results(request)
        return many(results, ("board_uuid", "state", "message", "cause"))


def with_fleet(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the fleet a command is about."""
    parser.add_argument("fleet", metavar="FLEET", help="name or uuid of the fleet")
    return parser


def with_boards(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the boards a command is about."""
    parser.add_argument("boards", metavar="BOARD", nargs="+", help="name or uuid of a board")
    return parser


def add_fields(parser: argparse.ArgumentParser) -> None:
    """Add the fields of a fleet a user may set."""
    parser.add_argument("--description", help="a few words, at most 300 characters")
    parser.add_argument(
        "--extra", metavar="JSON|@FILE", type=json_object, help="anything else, a JSON object"
    )
