"""The arguments of ``iotronic-mec db import-iotronic``, and how it is run."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import orjson

from iotronic_mec.cmd import backup, core, service, state_dir
from iotronic_mec.cmd.importing.ground import Names
from iotronic_mec.cmd.importing.report import REFUSED, Report
from iotronic_mec.cmd.importing.run import Import
from iotronic_mec.conf import load, load_settings
from iotronic_mec.db import migrate, upstream
from iotronic_mec.db.engine import open_database
from iotronic_mec.errors import BadRequest, Conflict, Unavailable
from iotronic_mec.rpc.boards import Boards


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    command.add_argument(
        "url", help="of IoTronic's database; '-' reads it from IOTRONIC_DATABASE, unseen by others"
    )
    how = command.add_mutually_exclusive_group()
    how.add_argument("--dry-run", action="store_true", help="write nothing (the default)")
    how.add_argument("--apply", action="store_true", help="import")
    command.add_argument("--report", type=Path, help="write what became of each row as JSON")
    command.add_argument(
        "--project", action="append", default=[], metavar="THEIRS=OURS", help="whose is whose"
    )
    command.add_argument(
        "--user-project",
        action="append",
        default=[],
        metavar="USER=PROJECT",
        help="IoTronic's project of a user's plugins, where boards do not tell it",
    )
    command.add_argument(
        "--keep-project-ids",
        action="store_true",
        help="make no projects: those of Keystone are kept as they are",
    )


def run(folder: Path, given: argparse.Namespace) -> int:
    """Import, or say what an import would do; 0 if no row was refused."""
    url = os.environ.get("IOTRONIC_DATABASE", "") if given.url == "-" else given.url
    if given.report is not None and given.report.exists():
        raise Conflict(f"{given.report} exists: name another file")
    names = Names(
        projects=_pairs("--project", given.project),
        user_projects=_pairs("--user-project", given.user_project),
        make_projects=not given.keep_project_ids,
    )
    files = [path.absolute() for path in given.config_file or ()]
    held = core.lock(folder)
    try:
        report = _import(folder, files, url, names, dry_run=not given.apply)
    finally:
        os.close(held)
    if given.report is not None:
        given.report.write_bytes(orjson.dumps(report.to_wire(), option=orjson.OPT_INDENT_2))
    print(report.to_text())
    return 1 if any(line.outcome == REFUSED for line in report.lines) else 0


def _import(
    folder: Path, files: Sequence[Path], url: str, names: Names, *, dry_run: bool
) -> Report:
    ours = core.database_url(folder, files)
    if migrate.present(ours) != migrate.head():
        raise Unavailable("run 'iotronic-mec db upgrade' first, or start the cloud once")
    if files:
        secret = service.read_secret(backup.secret_path(folder, files))
    else:
        secret = state_dir.secret(state_dir.StateDir(path=folder))
    cloud = load(folder, files).cloud
    settings = load_settings(
        folder,
        public_url=cloud.public_url,
        content_url=cloud.content_url,
        wamp_url="",
        given=files,
    )
    report = Report(dry_run=dry_run)
    database = open_database(ours)
    try:
        parts = core.build_parts(settings, database, cast(Boards, None), secret)
        with upstream.opened(url) as source:
            Import(parts, source, names, report).run()
    finally:
        database.close()
    return report


def _pairs(option: str, given: list[str]) -> dict[str, str]:
    pairs = dict(each.partition("=")[::2] for each in given)
    if not all(pairs) or not all(pairs.values()):
        raise BadRequest(f"{option}: two names with '=' between them are wanted")
    return pairs
