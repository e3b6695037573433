"""``audit …``: who did what, and whether the record is whole."""

from __future__ import annotations

import argparse
from pathlib import Path

from iotronic_mec.cli import exits
from iotronic_mec.cli.columns import Row, Rows, cell, many
from iotronic_mec.cli.command import Listing, Showing
from iotronic_mec.cli.v1.board import add_limit
from iotronic_mec.sdk import Head, parse_heads

LISTED = ("sequence", "time", "user_name", "action", "target_kind", "target", "outcome", "reason")

FILTERS = ("project", "user", "action", "target_kind", "target", "outcome", "request_id")


class ListAudit(Listing):
    """List audit rows: who did what, when, with what outcome"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--long", action="store_true", help="show all columns")
        parser.add_argument("--newest-first", action="store_true", help="begin with the newest")
        for name in FILTERS:
            parser.add_argument(
                f"--{name.replace('_', '-')}", help=f"only rows with this {name.replace('_', ' ')}"
            )
        add_limit(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """List them."""
        filters = {name: getattr(parsed_args, name) for name in FILTERS}
        if parsed_args.newest_first:
            filters["sort_dir"] = "desc"
        rows = self.cloud.audit.iterate(limit=parsed_args.limit, **filters)
        more = ("user", "project", "request_id", "details", "previous", "hash")
        return many(rows, LISTED + more if parsed_args.long else LISTED)


class ShowAuditHead(Showing):
    """Show the end of the audit's chain, to be kept where the cloud cannot reach"""

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Show it."""
        head = self.cloud.audit.head()
        return ("head", "sequence", "hash"), (str(head), head.sequence, head.hash)


class VerifyAudit(Showing):
    """Check here, not in the cloud, that no audit row was changed, removed or moved

    All rows are fetched and their hashes computed anew. Keep the head that is
    shown and give it to the next check with --against: it then finds also a cut
    end, and a chain that somebody with the database has signed anew. Exit code 1
    when something is wrong. Needs an administrator, who reads all rows.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--against",
            "--head",
            dest="against",
            metavar="HEAD",
            type=heads,
            default=(),
            help="a head kept before, as SEQUENCE:SHA256, or a file with one at the end of each "
            "line (such as the ledger's): each must be found again, which a chain that was cut "
            "or signed anew cannot do",
        )
        parser.add_argument(
            "--own-rows",
            action="store_true",
            help="check the rows of your project alone: gaps are expected, changed rows are found",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Verify it."""
        verdict = self.cloud.audit.verify(
            expected=parsed_args.against, own_rows=parsed_args.own_rows
        )
        if not verdict.ok:
            self.exit_code = exits.FAILED
        found = verdict.head
        return ("verdict", "rows", "head", "findings"), (
            "whole" if verdict.ok else "broken",
            verdict.rows,
            cell(str(found) if found else None),
            cell([{"kind": each.kind, "text": each.text} for each in verdict.findings]),
        )


def heads(text: str) -> tuple[Head, ...]:
    """Read ``SEQUENCE:SHA256``, or a file of them."""
    try:
        return (Head.parse(text),)
    except ValueError as error:
        path = Path(text)
        if not path.is_file():
            raise argparse.ArgumentTypeError(f"{error}, and there is no such file") from error
    try:
        return parse_heads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from error
