"""``port …``: boards on networks."""

from __future__ import annotations

import argparse

from iotronic_mec.cli.columns import Row, Rows, many, one
from iotronic_mec.cli.command import Doing, Listing, Showing
from iotronic_mec.cli.v1.board import add_limit, with_board

LISTED = ("uuid", "board_uuid", "vif_name", "mac_add", "ip", "network_uuid", "state", "driver")


class AttachPort(Showing):
    """Attach a board to a network"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_board(super().get_parser(prog_name))
        parser.add_argument("network", metavar="NETWORK", help="uuid of the network")
        parser.add_argument(
            "subnet", metavar="SUBNET", nargs="?", help="uuid of the subnet (default: any)"
        )
        parser.add_argument(
            "--security-group",
            metavar="UUID",
            action="append",
            default=[],
            help="uuid of a security group; can be repeated",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Attach it."""
        made = self.cloud.ports.attach(
            parsed_args.board,
            parsed_args.network,
            parsed_args.subnet,
            security_groups=parsed_args.security_group,
        )
        return one(made)


class DetachPort(Doing):
    """Take boards off networks"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("ports", metavar="PORT", nargs="+", help="uuid of a port")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Take them off."""
        self.each(parsed_args.ports, self.cloud.ports.detach)


class ShowPort(Showing):
    """Show a port"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("port", metavar="PORT", help="uuid of the port")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Show it."""
        return one(self.cloud.ports.get(parsed_args.port))


class ListPorts(Listing):
    """List ports, of the project or of one board"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--board", help="only those of this board, name or uuid")
        parser.add_argument("--all", action="store_true", help="of everyone (administrators)")
        add_limit(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """List them."""
        rows = self.cloud.ports.iterate(
            board=parsed_args.board,
            limit=parsed_args.limit,
            all_ports=parsed_args.all or None,
        )
        return many(rows, LISTED)
