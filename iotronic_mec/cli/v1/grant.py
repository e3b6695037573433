"""``grant …``: lend operations on boards, fleets and plugins, on terms."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from typing import Any

from iotronic_mec.cli import exits
from iotronic_mec.cli.columns import Row, Rows, cell, many, one
from iotronic_mec.cli.command import Doing, Listing, Showing
from iotronic_mec.cli.exits import UsageError
from iotronic_mec.cli.v1.board import add_limit

LISTED = (
    "uuid",
    "kind",
    "target",
    "actions",
    "to_user",
    "to_project",
    "expires_at",
    "uses",
    "max_uses",
    "state",
)
USES = ("created_at", "number", "user", "action", "kind", "target", "request", "grant")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class CreateGrant(Showing):
    """Lend operations on a board, a fleet or a plugin of your project; or lend a grant on

    The receiver uses the thing by its uuid, like an own one. What is started
    under a grant ends with it, also on a board that is offline then. A grant that
    is lent on with --from only ever gets narrower; what is left out is as in it.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        thing = parser.add_mutually_exclusive_group()
        for kind in ("board", "fleet", "plugin"):
            thing.add_argument(
                f"--{kind}", metavar=kind.upper(), help=f"name or uuid of a {kind}; '*' for all"
            )
        parser.add_argument(
            "--from",
            dest="parent",
            metavar="GRANT",
            help="lend on this grant, which you were given",
        )
        parser.add_argument(
            "--action",
            dest="actions",
            action="append",
            metavar="WORD",
            help="what is lent: board.get, board.action, board.action:DeviceEcho, plugin.inject, "
            "plugin.call, plugin.start, plugin.call:UUID, …; may be repeated",
        )
        to = parser.add_mutually_exclusive_group(required=True)
        to.add_argument("--to-user", metavar="UUID", help="id of the user who receives it")
        to.add_argument("--to-project", metavar="UUID", help="id of the project that receives it")
        parser.add_argument(
            "--from-when", type=moment, metavar="WHEN", help="not before; see --until"
        )
        parser.add_argument(
            "--until", type=moment, metavar="WHEN", help="end: ISO 8601, or from now: 30m, 8h, 7d"
        )
        parser.add_argument(
            "--hours",
            type=hours,
            metavar="HH:MM-HH:MM@ZONE",
            help="hours of the day, for instance 09:00-17:30@Europe/Rome",
        )
        parser.add_argument("--max-uses", type=int, metavar="N", help="how often it can be used")
        parser.add_argument(
            "--no-relend", action="store_true", help="the receiver must not lend it on"
        )
        parser.add_argument("--description", help="a few words on what it is for")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Create it."""
        fields: dict[str, Any] = {
            "actions": parsed_args.actions,
            "to_user": parsed_args.to_user,
            "to_project": parsed_args.to_project,
            "not_before": parsed_args.from_when,
            "expires_at": parsed_args.until,
            "hours": parsed_args.hours,
            "max_uses": parsed_args.max_uses,
            "relend": False if parsed_args.no_relend else None,
            "description": parsed_args.description,
        }
        for kind in ("board", "fleet", "plugin"):
            if getattr(parsed_args, kind) is not None:
                fields |= {"kind": kind, "target": getattr(parsed_args, kind)}
        if parsed_args.parent is not None:
            return one(self.cloud.grants.create_further(parsed_args.parent, fields))
        if "kind" not in fields:
            raise UsageError("one of --board, --fleet, --plugin or --from is needed")
        if not parsed_args.actions:
            raise UsageError("--action is needed: what is lent")
        return one(self.cloud.grants.create(fields))


class ListGrants(Listing):
    """List grants: those your project gave and those you were given"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        side = parser.add_mutually_exclusive_group()
        for name, words in (("given", "those you gave"), ("received", "those you were given")):
            side.add_argument(
                f"--{name}", dest="side", action="store_const", const=name, help=f"only {words}"
            )
        parser.add_argument("--target", metavar="UUID", help="only grants on this thing")
        parser.add_argument(
            "--all-projects", action="store_true", help="of all projects (administrators)"
        )
        add_limit(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """List them."""
        rows = self.cloud.grants.iterate(
            limit=parsed_args.limit,
            side=parsed_args.side,
            target=parsed_args.target,
            all_projects="true" if parsed_args.all_projects else None,
        )
        return many(rows, LISTED)


class ShowGrant(Showing):
    """Show a grant"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_grant(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Show it."""
        return one(self.cloud.grants.get(parsed_args.grant))


class RevokeGrants(Doing):
    """Revoke grants and all that were made from them, at once

    What was started under them ends on boards that are online within a second,
    on others at their next contact or when their lease ends, within an hour.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("grants", metavar="GRANT", nargs="+", help="uuid of a grant")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Revoke them."""
        self.each(parsed_args.grants, self.cloud.grants.revoke)


class ExplainGrant(Showing):
    """Say whether a grant lets an operation pass now, and if not, why

    Exit code 1 when it does not.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_grant(super().get_parser(prog_name))
        parser.add_argument(
            "--action", metavar="WORD", help="for instance board.action:DeviceEcho"
        )
        parser.add_argument("--target", metavar="UUID", help="a thing within what is lent")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Explain it."""
        told = self.cloud.grants.explain(
            parsed_args.grant, action=parsed_args.action, target=parsed_args.target
        )
        if told.state != "live":
            self.exit_code = exits.FAILED
        return ("state", "until", "chain"), (told.state, cell(told.until), cell(told.chain))


class ListGrantUses(Listing):
    """List the uses of a grant: who, when, what, for which request"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_grant(super().get_parser(prog_name))
        add_limit(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """List them."""
        return many(self.cloud.grants.uses(parsed_args.grant, limit=parsed_args.limit), USES)


def with_grant(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the grant a command is about."""
    parser.add_argument("grant", metavar="GRANT", help="uuid of the grant")
    return parser


def moment(text: str) -> str:
    """Read a moment: ISO 8601 with offset, or a time from now such as ``8h``."""
    if text[:-1].isdecimal() and text[-1:] in UNITS:
        ahead = timedelta(seconds=int(text[:-1]) * UNITS[text[-1]])
        return (datetime.now(UTC) + ahead).isoformat()
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no moment, such as 8h") from error
    return (given if given.tzinfo else given.astimezone()).isoformat()


def hours(text: str) -> dict[str, str]:
    """Read ``HH:MM-HH:MM@ZONE``."""
    times, _, zone = text.partition("@")
    start, _, end = times.partition("-")
    if not (start and end and zone):
        raise argparse.ArgumentTypeError(f"{text!r} is not HH:MM-HH:MM@ZONE")
    return {"start": start, "end": end, "zone": zone}
