"""``iotronic-mec audit``: the whole audit checked where it lies, beside a running cloud.

``iot audit verify`` does the same from outside, over what the cloud hands out; this
reads the database and the storage themselves and changes nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from iotronic_mec import audit_segment
from iotronic_mec.audit_chain import Finding, Head, Verdict, read_heads, verify
from iotronic_mec.audit_segment import Segment
from iotronic_mec.cmd import core, service
from iotronic_mec.db import migrate
from iotronic_mec.db.engine import open_database
from iotronic_mec.db.session import Database
from iotronic_mec.drivers.storage.base import Storage
from iotronic_mec.errors import Error
from iotronic_mec.features.audit import store as audit_store
from iotronic_mec.features.audit_segment import store
from iotronic_mec.features.audit_segment.commands import in_storage

MAX_SHOWN = 20
"""Most findings printed."""


def check(
    database: Database, storage: Callable[[], Storage], expected: Iterable[Head] = ()
) -> tuple[int, Verdict]:
    """Check all segments and all rows after them as one chain.

    :param storage: makes the storage; not called when nothing was sealed
    :param expected: heads kept elsewhere; each must be found again
    :returns: how many segments there are, and what was found
    """
    files: list[audit_segment.Opener] = []
    count = 0

    def sealed(last: int) -> list[Segment]:
        nonlocal count
        with database.read() as connection:
            found = [each.segment for each in store.iter_segments(connection, after=last)]
        count += len(found)
        return found

    def opened(segment: Segment) -> IO[bytes] | None:
        if not files:
            files.append(in_storage(storage()))
        return files[0](segment)

    findings: list[Finding] = []
    source = audit_segment.Source(
        segments=sealed, rows=lambda last: _kept(database, last), opened=opened
    )
    verdict = verify(audit_segment.iter_all(source, findings), expected=expected)
    return count, audit_segment.with_findings(verdict, findings)


def _kept(database: Database, after: int) -> Iterator[dict[str, Any]]:
    with database.read() as connection:
        for row in audit_store.iter_rows(connection, after=after):
            yield row.to_wire()


def run(arguments: list[str]) -> int:
    """Read the arguments and do it; return the exit code."""
    parser = argparse.ArgumentParser(prog="iotronic-mec audit", description="the audit's chain")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    told = "check the files of sealed segments and the rows in the database as one chain"
    command = commands.add_parser("verify-segments", help=told, description=told)
    command.add_argument("--state-dir", type=Path, help="the cloud's state directory")
    command.add_argument(
        "--config-file",
        type=Path,
        action="append",
        metavar="FILE",
        help="configuration of separate processes, whose [cloud] state_dir is used without "
        "--state-dir; may be repeated, a later file outranks an earlier one",
    )
    command.add_argument(
        "--against",
        metavar="HEAD",
        type=_heads,
        default=(),
        help="a head kept before, as SEQUENCE:SHA256, or a file with one at the end of each line",
    )
    given = parser.parse_args(arguments)
    if given.state_dir is None and not given.config_file:
        parser.error("name the cloud with --state-dir or --config-file")
    try:
        return _verify(given)
    except Error as error:
        print(f"iotronic-mec audit: {error.message}", file=sys.stderr)
        return 1


def _verify(given: argparse.Namespace) -> int:
    files = [path.absolute() for path in given.config_file or ()]
    folder = given.state_dir
    if folder is None:
        folder = Path(service.read_files(files).cloud.state_dir)
    folder = folder.absolute()
    url = core.database_url(folder, files)
    if migrate.present(url) != migrate.head():
        print(
            f"iotronic-mec audit: the database is at {migrate.present(url) or 'no revision'}, "
            f"this release at {migrate.head()}",
            file=sys.stderr,
        )
        return 1
    database = open_database(url, writes=False)
    try:
        count, verdict = check(database, lambda: core.storage(folder, files), given.against)
    finally:
        database.close()
    print(f"segments {count}\nrows     {verdict.rows}\nhead     {verdict.head or 'none'}")
    print(f"verdict  {'whole' if verdict.ok else 'broken'}")
    for finding in verdict.findings[:MAX_SHOWN]:
        print(f"  {finding.text}")
    return 0 if verdict.ok else 1


def _heads(text: str) -> tuple[Head, ...]:
    try:
        return read_heads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
