"""``board reboot``, ``board package`` and so on; ``fleet action``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from iotronic_mec.cli.arguments import json_object, merged, pair, positive, typed_pair
from iotronic_mec.cli.columns import Row, Rows
from iotronic_mec.cli.command import Ordering
from iotronic_mec.cli.v1.board import with_board
from iotronic_mec.cli.v1.fleet import FleetOrdering


class _OrderBoard(Ordering):
    """Base of the commands that have a board do something."""

    def order(
        self, parsed_args: argparse.Namespace, action: str, parameters: Mapping[str, Any]
    ) -> Row:
        """Give the order, wait as told, show the answer."""
        board = parsed_args.board
        answer = self.cloud.boards.act(board, action, parameters, wait=False)
        return self.finish(answer, f"{action} on {board}", parsed_args)


class _Delayed(_OrderBoard):
    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_board(super().get_parser(prog_name))
        parser.add_argument(
            "--delay",
            type=positive,
            default=3.0,
            metavar="SECONDS",
            help="when, 3 to 3600 s from now (default: %(default)g)",
        )
        return parser


class ShowNetwork(_OrderBoard):
    """Describe a board's interfaces, addresses, routes and name servers"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_board(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Ask for it."""
        return self.order(parsed_args, "DeviceNetConfig", {})


class RebootBoard(_Delayed):
    """Restart a board's machine

    The board's owner must have allowed it: allow = ["reboot"] in [device] of
    agent.toml.
    """

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Order it."""
        return self.order(parsed_args, "DeviceReboot", {"delay": parsed_args.delay})


class RestartAgent(_Delayed):
    """Restart a board's agent; its plugins go on running"""

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Order it."""
        return self.order(parsed_args, "DeviceRestartLR", {"delay": parsed_args.delay})


class UpgradeAgent(_OrderBoard):
    """Install another version of a board's agent and restart it; plugins go on running

    The board's owner must have allowed it: allow = ["upgrade"] in [device] of
    agent.toml.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_board(super().get_parser(prog_name))
        parser.add_argument(
            "--to-version",
            default="latest",
            metavar="VERSION",
            help="which version (default: %(default)s)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Order it."""
        return self.order(parsed_args, "DeviceUpgradeLR", {"version": parsed_args.to_version})


class RunPackage(_OrderBoard):
    """Install, renew or remove packages on a board

    The board's owner must have allowed it: allow = ["package"] and
    package_managers in [device] of agent.toml.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_board(super().get_parser(prog_name))
        parser.add_argument("manager", choices=("apt", "apt-get", "pip", "pip3", "npm"))
        parser.add_argument(
            "verb", choices=("install", "update", "upgrade", "remove", "uninstall")
        )
        parser.add_argument(
            "package", nargs="?", default="", help="name of the package (apt may go without)"
        )
        parser.add_argument(
            "--package-version", default="", metavar="VERSION", help="version to install"
        )
        parser.add_argument(
            "--option",
            action="append",
            default=[],
            metavar="OPTION",
            help="option of the manager, as --option=--no-deps; can be repeated",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Order it."""
        parameters: dict[str, Any] = {
            "manager": parsed_args.manager,
            "command": parsed_args.verb,
            "package": parsed_args.package,
            "version": parsed_args.package_version,
            "options": parsed_args.option,
        }
        return self.order(parsed_args, "DevicePkgOperation", parameters)


class SubmitRest(_OrderBoard):
    """Send an HTTP request from a board and show status, headers and body

    Private addresses are reached only where the board's owner allows them:
    rest_networks in [device] of agent.toml.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_board(super().get_parser(prog_name))
        parser.add_argument("method", metavar="METHOD", help="GET, POST and so on")
        parser.add_argument("url", metavar="URL", help="http or https")
        parser.add_argument(
            "--header",
            metavar="NAME=VALUE",
            type=pair,
            action="append",
            help="header to send; can be repeated",
        )
        body = parser.add_mutually_exclusive_group()
        body.add_argument("--data", help="body, a text")
        body.add_argument(
            "--json", dest="object", type=json_object, metavar="JSON|@FILE", help="body, JSON"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Order it."""
        parameters: dict[str, Any] = {
            "method": parsed_args.method,
            "url": parsed_args.url,
            "headers": merged(None, parsed_args.header),
        }
        if parsed_args.data is not None:
            parameters["data"] = parsed_args.data
        if parsed_args.object is not None:
            parameters["json"] = parsed_args.object
        return self.order(parsed_args, "DeviceRestSubmit", parameters)


class ResetBoard(_OrderBoard):
    """Remove all plugins and data of a board

    The board stays enrolled unless --drop-identity; then it needs a new
    enrolment code.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_board(super().get_parser(prog_name))
        parser.add_argument(
            "--drop-identity", action="store_true", help="also forget key and enrolment"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Order it."""
        identity = "drop" if parsed_args.drop_identity else "keep"
        return self.order(parsed_args, "DeviceFactoryReset", {"identity": identity})


class ActOnFleet(FleetOrdering):
    """Have all boards of a fleet do an action, and show what each made of it

    Boards that are not online are listed as rejected. The exit code is 1 unless
    all succeeded.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("action", metavar="ACTION", help="as DevicePing or DeviceEcho")
        parser.add_argument(
            "--parameter",
            metavar="KEY=VALUE",
            type=typed_pair,
            action="append",
            help="parameter of the action; can be repeated",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """Order it."""
        fleet, action = parsed_args.fleet, parsed_args.action
        answer = self.cloud.fleets.act(fleet, action, merged(None, parsed_args.parameter))
        return self.finish(answer, f"{action} on {fleet}", parsed_args)
