"""``webservice …``: web servers of boards under host names."""

from __future__ import annotations

import argparse

from iotronic_mec.cli.arguments import port
from iotronic_mec.cli.columns import Row, Rows, many, one
from iotronic_mec.cli.command import Doing, Listing, Showing
from iotronic_mec.cli.v1.board import add_limit, with_board
from iotronic_mec.cli.v1.service import add_extra
from iotronic_mec.sdk.webservice import BoardName, NewWebservice

LISTED = ("uuid", "name", "port", "board_uuid", "host", "state", "driver")
ENABLED = ("board_uuid", "host", "http_port", "https_port", "state", "driver")


class EnableWebservices(Showing):
    """Give a board a name and public ports for its web servers"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_board(super().get_parser(prog_name))
        parser.add_argument("dns", metavar="DNS", help="the board's part of the name, as kitchen")
        parser.add_argument("zone", metavar="ZONE", help="DNS zone, as boards.example.org")
        parser.add_argument(
            "email", metavar="EMAIL", help="whom the certificate authority may write to"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Give it."""
        name = BoardName(dns=parsed_args.dns, zone=parsed_args.zone, email=parsed_args.email)
        return one(self.cloud.webservices.enable(parsed_args.board, name))


class DisableWebservices(Doing):
    """Give name and public ports of a board back; its web services must be gone"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_board(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Give them back."""
        self.cloud.webservices.disable(parsed_args.board)


class RenewWebservices(Showing):
    """Get a new certificate for a board"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_board(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Get it."""
        return ("answer",), (self.cloud.webservices.renew(parsed_args.board),)


class ListEnabled(Listing):
    """List the boards whose web servers may be published"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        add_limit(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """List them."""
        return many(self.cloud.webservices.enabled(limit=parsed_args.limit), ENABLED)


class ExposeWebservice(Showing):
    """Publish a web server of a board under a name below the board's"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_board(super().get_parser(prog_name))
        parser.add_argument("name", metavar="NAME", help="first label of the host name")
        parser.add_argument("port", metavar="PORT", type=port, help="on the board, 1 to 65535")
        parser.add_argument(
            "--plain",
            action="store_true",
            help="serve plain HTTP too, instead of redirecting it to HTTPS",
        )
        add_extra(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Publish it."""
        new = NewWebservice(
            name=parsed_args.name,
            port=parsed_args.port,
            secure=not parsed_args.plain,
            extra=parsed_args.extra or {},
        )
        return one(self.cloud.webservices.expose(parsed_args.board, new))


class UnexposeWebservice(Doing):
    """Withdraw web services"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("webservices", metavar="UUID", nargs="+", help="of the web service")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Withdraw them."""
        self.each(parsed_args.webservices, self.cloud.webservices.unexpose)


class ShowWebservice(Showing):
    """Show a web service"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("webservice", metavar="UUID", help="of the web service")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Show it."""
        return one(self.cloud.webservices.get(parsed_args.webservice))


class ListWebservices(Listing):
    """List web services, of the project or of one board"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--board", help="only those of this board, name or uuid")
        add_limit(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """List them."""
        if parsed_args.board:
            rows = self.cloud.webservices.on_board(parsed_args.board, limit=parsed_args.limit)
        else:
            rows = self.cloud.webservices.iterate(limit=parsed_args.limit)
        return many(rows, LISTED)
