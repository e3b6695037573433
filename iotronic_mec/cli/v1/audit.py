"""``audit …``: who did what, and whether the record is whole."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from iotronic_mec.cli import exits
from iotronic_mec.cli.columns import Row, Rows, cell, many
from iotronic_mec.cli.command import Listing, Showing
from iotronic_mec.cli.exits import UsageError
from iotronic_mec.cli.v1.board import add_limit
from iotronic_mec.sdk import AuditSegment, Head, read_heads

LISTED = ("sequence", "time", "user_name", "action", "target_kind", "target", "outcome", "reason")

SEGMENTS = ("first", "last", "first_at", "last_at", "size", "hash")

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

    All rows are fetched, those in sealed segments too, and their hashes computed
    anew. Keep the head that is shown and give it to the next check with --against:
    it then finds also a cut end, and a chain that somebody with the database has
    signed anew. Exit code 1 when something is wrong. Needs an administrator, who reads all rows.
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
        parser.add_argument(
            "--segments",
            metavar="FOLDER",
            type=folder,
            help="take the sealed segments from this folder ('audit export'), not from the cloud",
        )
        parser.add_argument(
            "--after",
            metavar="HEAD",
            type=one_head,
            help="begin after this head, kept from a check that found all whole before it",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Verify it."""
        verdict = self.cloud.audit.verify(
            expected=parsed_args.against,
            own_rows=parsed_args.own_rows,
            after=parsed_args.after,
            folder=parsed_args.segments,
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
        return read_heads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def one_head(text: str) -> Head:
    """Read ``SEQUENCE:SHA256``."""
    try:
        return Head.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def folder(text: str) -> Path:
    """Read the name of a folder that is there."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text}: there is no such folder")
    return Path(text)


class ListSegments(Listing):
    """List the audit's sealed segments: old rows that are in files

    Needs an administrator, as the files hold the rows of all projects.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--long", action="store_true", help="show all columns")
        add_limit(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """List them."""
        found = self.cloud.audit.segments(limit=parsed_args.limit)
        more = ("uuid", "previous", "digest", "file", "created_at")
        return many(found, SEGMENTS + more if parsed_args.long else SEGMENTS)


class ExportAudit(Showing):
    """Write the audit's sealed segments into a folder, to be kept elsewhere

    A file that is there already is left when it is the right one. Check them with
    'audit verify --segments FOLDER'.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("folder", type=folder, metavar="FOLDER", help="where to")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Write them, each under another name first, so that no half file is left."""
        written = kept = 0
        try:
            for each in self.cloud.audit.segments():
                target = parsed_args.folder / each.sealed().name
                if _is_right(target, each):
                    kept += 1
                    continue
                if target.exists():
                    raise UsageError(f"{target} is there and another one: move it away")
                self._write(each, target)
                written += 1
        except OSError as error:
            raise UsageError(f"{parsed_args.folder}: {error.strerror}") from error
        return ("folder", "written", "kept"), (str(parsed_args.folder), written, kept)

    def _write(self, each: AuditSegment, target: Path) -> None:
        descriptor, partial = tempfile.mkstemp(dir=target.parent, prefix=".audit-")
        try:
            with open(descriptor, "wb") as stream:
                self.cloud.audit.save(each, stream)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(partial, target)
        finally:
            Path(partial).unlink(missing_ok=True)


def _is_right(path: Path, segment: AuditSegment) -> bool:
    try:
        with path.open("rb") as file:
            return segment.is_file(file)
    except FileNotFoundError:
        return False
