"""``service …``: what boards may be reached for, and where they are."""

from __future__ import annotations

import argparse
from typing import Any

from iotronic_mec.cli.arguments import json_object, port
from iotronic_mec.cli.columns import Row, Rows, many, one
from iotronic_mec.cli.command import Doing, Listing, Showing
from iotronic_mec.cli.v1.board import add_limit, with_board
from iotronic_mec.sdk import NewService

LISTED = ("uuid", "name", "port", "protocol", "public")
EXPOSED = ("service", "name", "port", "protocol", "address", "public_port", "state", "driver")
PROTOCOLS = ("TCP", "UDP", "ANY")


class CreateService(Showing):
    """Create a service: a port of boards with a name"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NAME", help="name of the service, as ssh")
        parser.add_argument("port", metavar="PORT", type=port, help="on the boards, 1 to 65535")
        parser.add_argument(
            "--protocol", choices=PROTOCOLS, default="TCP", help="ANY is both (default: TCP)"
        )
        parser.add_argument(
            "--public", action="store_true", help="other projects may expose it too"
        )
        add_extra(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Create it."""
        new = NewService(
            name=parsed_args.name,
            port=parsed_args.port,
            protocol=parsed_args.protocol,
            public=parsed_args.public,
            extra=parsed_args.extra or {},
        )
        return one(self.cloud.services.create(new))


class ListServices(Listing):
    """List services"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        choice = parser.add_mutually_exclusive_group()
        choice.add_argument("--public", action="store_true", help="only public ones, of everyone")
        choice.add_argument(
            "--with-public", action="store_true", help="your own, and public ones of everyone"
        )
        choice.add_argument("--all", action="store_true", help="of everyone (administrators)")
        add_limit(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """List them."""
        services = self.cloud.services.iterate(
            public=parsed_args.public,
            limit=parsed_args.limit,
            with_public=parsed_args.with_public or None,
            all_services=parsed_args.all or None,
        )
        return many(services, (*LISTED, "project") if parsed_args.all else LISTED)


class ShowService(Showing):
    """Show a service"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_service(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Show it."""
        return one(self.cloud.services.get(parsed_args.service))


class SetService(Showing):
    """Change fields of a service; port and protocol only while it is exposed nowhere"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_service(super().get_parser(prog_name))
        parser.add_argument("--name", help="new name")
        parser.add_argument("--port", type=port, help="on the boards, 1 to 65535")
        parser.add_argument("--protocol", choices=PROTOCOLS, help="ANY is both")
        parser.add_argument(
            "--public",
            action=argparse.BooleanOptionalAction,
            help="whether other projects may expose it",
        )
        add_extra(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Change it."""
        given = vars(parsed_args)
        named = ("name", "port", "protocol", "public", "extra")
        changes: dict[str, Any] = {k: given[k] for k in named if given[k] is not None}
        return one(self.cloud.services.update(parsed_args.service, changes))


class DeleteService(Doing):
    """Delete services

    One that is exposed stays, unless --force withdraws it from all boards first,
    also from those of other projects that use a public one.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("services", metavar="SERVICE", nargs="+", help="name or uuid")
        parser.add_argument(
            "--force", action="store_true", help="withdraw it from all boards first"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Delete them."""
        self.each(
            parsed_args.services,
            lambda service: self.cloud.services.delete(service, force=parsed_args.force),
        )


class EnableService(Showing):
    """Expose a service of a board at a public port"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_service(with_board(super().get_parser(prog_name)))

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Expose it."""
        given = (parsed_args.board, parsed_args.service)
        return ("answer",), (self.cloud.services.enable(*given).text,)


class DisableService(Showing):
    """Give the public port of a service of a board back"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_service(with_board(super().get_parser(prog_name)))

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Give it back."""
        given = (parsed_args.board, parsed_args.service)
        return ("answer",), (self.cloud.services.disable(*given).text,)


class RestoreServices(Doing):
    """Open the tunnel of a service of a board once more, or of all that are exposed"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_board(super().get_parser(prog_name))
        parser.add_argument(
            "service", metavar="SERVICE", nargs="?", help="name or uuid (default: all)"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Open them."""
        self.cloud.services.restore(parsed_args.board, parsed_args.service)


class ServiceStatus(Showing):
    """Say what is exposed on a board, and whether it is reachable"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_board(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Say it."""
        return ("status",), (self.cloud.services.status(parsed_args.board),)


class ListBoardServices(Listing):
    """List what is exposed on a board"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_board(super().get_parser(prog_name))
        add_limit(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """List it."""
        rows = self.cloud.services.on_board(parsed_args.board, limit=parsed_args.limit)
        return many(rows, EXPOSED)


def with_service(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the service a command is about."""
    parser.add_argument("service", metavar="SERVICE", help="name or uuid of the service")
    return parser


def add_extra(parser: argparse.ArgumentParser) -> None:
    """Add what a user may note beside."""
    parser.add_argument(
        "--extra", metavar="JSON|@FILE", type=json_object, help="anything else, a JSON object"
    )
