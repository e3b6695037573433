"""``board …``: register, list, show, change, delete, ping, echo, explain."""

from __future__ import annotations

import argparse
from typing import Any

from iotronic_mec.cli.arguments import count, json_object, merged, pair, place
from iotronic_mec.cli.columns import Row, Rows, many, one
from iotronic_mec.cli.command import Doing, Listing, Showing, answer_row
from iotronic_mec.sdk import NewBoard

LISTED = ("uuid", "name", "status", "type", "labels", "lr_version")
ONCE = ("code", "enrol_url")
"""Fields only the answer of create holds."""


class CreateBoard(Showing):
    """Register a board and show its enrolment code, this once

    On the board, 'lightning-agent enrol CODE URL' uses the code and the
    enrol_url shown.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NAME", help="name of the board")
        parser.add_argument(
            "--code", help="enrolment code of your own, 8 to 36 characters (default: a fresh one)"
        )
        add_fields(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Create it."""
        board = NewBoard(
            name=parsed_args.name,
            code=parsed_args.code,
            type=parsed_args.type,
            mobile=parsed_args.mobile,
            fleet=parsed_args.fleet,
            labels=merged(None, parsed_args.label) if parsed_args.label else None,
            location=parsed_args.location,
            extra=parsed_args.extra,
        )
        return one(self.cloud.boards.create(board))


class ListBoards(Listing):
    """List boards"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--status",
            choices=("registered", "offline", "online"),
            help="only boards of this status",
        )
        parser.add_argument("--fleet", help="only boards of this fleet, name or uuid")
        parser.add_argument("--project", help="boards of another project (administrators)")
        parser.add_argument(
            "--near",
            metavar="LATITUDE,LONGITUDE,METERS",
            help="only boards in this circle; with a sign in front write --near=-33.9,18.4,1000",
        )
        parser.add_argument("--long", action="store_true", help="show more columns")
        add_limit(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """List them."""
        boards = self.cloud.boards.iterate(
            limit=parsed_args.limit,
            status=parsed_args.status,
            fleet=parsed_args.fleet,
            project=parsed_args.project,
            near=parsed_args.near,
        )
        more = ("fleet", "project", "owner", "mobile", "location", "created_at", "updated_at")
        return many(boards, LISTED + more if parsed_args.long else LISTED)


class ShowBoard(Showing):
    """Show a board"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_board(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Show it."""
        return one(self.cloud.boards.get(parsed_args.board), without=ONCE)


class SetBoard(Showing):
    """Change fields of a board"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_board(super().get_parser(prog_name))
        parser.add_argument("--name", help="new name")
        add_fields(parser)
        parser.add_argument(
            "--unset-label",
            metavar="KEY",
            action="append",
            default=[],
            help="take a label away; can be repeated",
        )
        parser.add_argument(
            "--unset-fleet", action="store_true", help="take the board out of its fleet"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Change it."""
        given = vars(parsed_args)
        named = ("name", "type", "mobile", "fleet", "location", "extra")
        changes: dict[str, Any] = {k: given[k] for k in named if given[k] is not None}
        if parsed_args.unset_fleet:
            changes["fleet"] = None
        if parsed_args.label or parsed_args.unset_label:
            present = self.cloud.boards.get(parsed_args.board).labels
            labels = merged(dict(present or {}), parsed_args.label)
            changes["labels"] = {
                key: value for key, value in labels.items() if key not in parsed_args.unset_label
            }
        return one(self.cloud.boards.update(parsed_args.board, changes), without=ONCE)


class DeleteBoard(Doing):
    """Delete boards with all that hangs on them"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("boards", metavar="BOARD", nargs="+", help="name or uuid")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Delete them."""
        self.each(parsed_args.boards, self.cloud.boards.delete)


class PingBoard(Showing):
    """Ask a board for its host name and time"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_board(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Ping it."""
        return answer_row(self.cloud.boards.ping(parsed_args.board))


class EchoBoard(Showing):
    """Have a board say something back"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_board(super().get_parser(prog_name))
        parser.add_argument("say", metavar="TEXT", help="what it is to say")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Echo it."""
        return answer_row(self.cloud.boards.echo(parsed_args.board, parsed_args.say))


class ExplainBoard(Listing):
    """Tell why a board is not online, or does not have what it should have

    The reasons come from the very conditions the cloud decides by; each is
    listed with what to do about it. No reason: all is well.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_board(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """Explain it."""
        found = self.cloud.boards.explain(parsed_args.board)
        if found.online and found.converged:
            self.say(f"{parsed_args.board} is online and has all it should have")
        return many(found.reasons, ("code", "text", "cure"))


class CreateEnrolmentCode(Showing):
    """Give a board a new enrolment code and show it, this once

    The code before is of no use from now on. A key enrolled before stays
    valid until the new code is used.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_board(super().get_parser(prog_name))
        parser.add_argument(
            "--code", help="a code of your own, 8 to 36 characters (default: a fresh one)"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Make it."""
        return one(self.cloud.boards.new_code(parsed_args.board, parsed_args.code))


def with_board(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the board a command is about."""
    parser.add_argument("board", metavar="BOARD", help="name or uuid of the board")
    return parser


def add_fields(parser: argparse.ArgumentParser) -> None:
    """Add the fields of a board a user may set."""
    parser.add_argument("--type", help="kind of board, a free text")
    parser.add_argument("--fleet", help="fleet it is in, name or uuid")
    parser.add_argument(
        "--mobile",
        action=argparse.BooleanOptionalAction,
        help="whether it moves about",
    )
    parser.add_argument(
        "--label",
        metavar="KEY=VALUE",
        type=pair,
        action="append",
        help="label to set; can be repeated",
    )
    parser.add_argument(
        "--location",
        metavar="LATITUDE,LONGITUDE[,ALTITUDE]",
        type=place,
        help="where it is, in degrees and metres (before a negative number write --location=…)",
    )
    parser.add_argument(
        "--extra", metavar="JSON|@FILE", type=json_object, help="anything else, a JSON object"
    )


def add_limit(parser: argparse.ArgumentParser) -> None:
    """Add the limit of a list."""
    parser.add_argument(
        "--limit", type=count, metavar="N", help="show at most N (default: all there are)"
    )
