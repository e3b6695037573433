"""``fleet plugin inject|call|start|…``: a plugin on all boards of a fleet."""

from __future__ import annotations

import argparse
from typing import Any

from iotronic_mec.cli.arguments import positive
from iotronic_mec.cli.columns import Rows
from iotronic_mec.cli.v1.fleet import FleetOrdering
from iotronic_mec.cli.v1.injection import parameters, with_parameters
from iotronic_mec.sdk.injection import CALL, REBOOT, START, STATUS, STOP


class _OnFleet(FleetOrdering):
    """Base of the commands that do something with a plugin."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("plugin", metavar="PLUGIN", help="name or uuid of the plugin")
        return parser

    def order(self, parsed_args: argparse.Namespace, action: str, given: dict[str, Any]) -> Rows:
        """Give the order, wait as told, list the results."""
        fleet, plugin = parsed_args.fleet, parsed_args.plugin
        answer = self.cloud.fleets.act_on_plugin(fleet, plugin, action, given)
        return self.finish(answer, f"{action} of {plugin} on {fleet}", parsed_args)


class _WithParameters(_OnFleet):
    """Base of those that give the plugin parameters."""

    action: str

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_parameters(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """Order it."""
        return self.order(parsed_args, self.action, parameters(parsed_args))


class InjectOnFleet(_OnFleet):
    """Send a plugin to all boards of a fleet, or bring their copies up to date"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--onboot", action="store_true", help="start it with the boards")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """Order it."""
        fleet, plugin = parsed_args.fleet, parsed_args.plugin
        answer = self.cloud.fleets.inject(fleet, plugin, onboot=parsed_args.onboot)
        return self.finish(answer, f"inject {plugin} on {fleet}", parsed_args)


class CallOnFleet(_WithParameters):
    """Run a plugin on all boards of a fleet to its end and list the results

    Needs a plugin made with --callable.
    """

    action = CALL


class StartOnFleet(_WithParameters):
    """Start a plugin on all boards of a fleet; it runs until it is stopped"""

    action = START


class RebootOnFleet(_WithParameters):
    """Stop a plugin on all boards of a fleet and start it, with its parameters unless given"""

    action = REBOOT


class StopOnFleet(_OnFleet):
    """Stop a plugin on all boards of a fleet"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--delay",
            type=positive,
            default=0.0,
            metavar="SECONDS",
            help="stop it after this time (default: at once)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """Order it."""
        delay_s = parsed_args.delay
        return self.order(parsed_args, STOP, {"delay": delay_s} if delay_s else {})


class StatusOnFleet(_OnFleet):
    """Tell where in a fleet a plugin runs: ALIVE or DEAD for each board"""

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """Ask for it."""
        return self.order(parsed_args, STATUS, {})


class RemoveOnFleet(_OnFleet):
    """Stop a plugin and take it off all boards of a fleet"""

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """Order it."""
        fleet, plugin = parsed_args.fleet, parsed_args.plugin
        answer = self.cloud.fleets.remove_plugin(fleet, plugin)
        return self.finish(answer, f"remove {plugin} from {fleet}", parsed_args)
