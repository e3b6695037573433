"""``iotronic-mec db``: the only tool beside the conductor that writes the database.

It refuses while a conductor holds the lock.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from iotronic_mec.cmd import audit, backup, core, service
from iotronic_mec.cmd.importing import command as importing
from iotronic_mec.db import migrate
from iotronic_mec.db.base import metadata
from iotronic_mec.db.engine import open_database
from iotronic_mec.errors import Error
from iotronic_mec.registry import FEATURES

MAX_SHOWN = 20
"""Most findings printed of each check."""


def run(arguments: list[str]) -> int:
    """Read the arguments and do it; return the exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        folder = _folder(given)
    except Error as error:
        print(f"iotronic-mec db: {error.message}", file=sys.stderr)
        return 1
    if folder is None:
        parser.error("name the cloud with --state-dir or --config-file")
    if not folder.is_dir() and given.do is not _restore:
        print(f"iotronic-mec db: {folder} is no state directory: name it with --state-dir")
        return 1
    try:
        return int(given.do(folder, given))
    except Error as error:
        print(f"iotronic-mec db: {error.message}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="iotronic-mec db", description="the cloud's database")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, do, told in (
        ("version", _version, "print the revision of the database and of this release"),
        ("upgrade", _upgrade, "bring the database to this release's revision"),
        ("check", _check, "check the file, the schema and the audit chain"),
        ("backup", _backup, "write the whole cloud, with its secrets, into one file"),
        ("restore", _restore, "make a state directory and its database from a backup"),
    ):
        command = commands.add_parser(name, help=told, description=told)
        _add_place(command)
        command.set_defaults(do=do)
        if do in (_backup, _restore):
            command.add_argument("file", type=Path, help="the backup")
    told = "import the records of an IoTronic database; a dry run unless --apply is given"
    command = commands.add_parser("import-iotronic", help=told, description=told)
    _add_place(command)
    importing.add_arguments(command)
    command.set_defaults(do=importing.run)
    return parser


def _add_place(command: argparse.ArgumentParser) -> None:
    command.add_argument("--state-dir", type=Path, help="the cloud's state directory")
    command.add_argument(
        "--config-file",
        type=Path,
        action="append",
        metavar="FILE",
        help="configuration of separate processes, whose [cloud] state_dir is used "
        "without --state-dir; may be repeated, a later file outranks an earlier one",
    )


def _files(given: argparse.Namespace) -> list[Path]:
    return [path.absolute() for path in given.config_file or ()]


def _folder(given: argparse.Namespace) -> Path | None:
    """Return the state directory, ``None`` when nothing names one.

    :raises BadConfiguration: a configuration file cannot be used
    """
    files = _files(given)
    conf = service.read_files(files) if files else None
    if given.state_dir is not None:
        return Path(given.state_dir).absolute()
    return None if conf is None else Path(conf.cloud.state_dir).absolute()


def _version(folder: Path, given: argparse.Namespace) -> int:
    present = migrate.present(core.database_url(folder, _files(given)))
    print(f"database {present or 'empty'}\nrelease  {migrate.head()}")
    return 0


def _upgrade(folder: Path, given: argparse.Namespace) -> int:
    held = core.lock(folder)
    try:
        changed = migrate.upgrade(core.database_url(folder, _files(given)))
    finally:
        os.close(held)
    print(f"{'upgraded to' if changed else 'already at'} {migrate.head()}")
    return 0


def _backup(folder: Path, given: argparse.Namespace) -> int:
    counts = backup.backup(folder, given.file, _files(given))
    print(f"{given.file}: {_counted(counts)}; it holds the cloud's secrets, keep it as one")
    return 0


def _restore(folder: Path, given: argparse.Namespace) -> int:
    files = _files(given)
    counts, secret = backup.guarded(folder, lambda: backup.restore(folder, given.file, files))
    if secret is not None:
        print(f"{secret}: the secret of all processes; let their user, and nobody else, read it")
    print(f"{folder}: {_counted(counts)}; start the cloud, its boards come by themselves")
    return 0


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items())


def _check(folder: Path, given: argparse.Namespace) -> int:
    """Check without changing anything; works beside a running conductor."""
    url = core.database_url(folder, _files(given))
    damage = migrate.integrity(url)
    _tell("file", damage, "restore a backup")
    if damage:
        return 1
    differences = migrate.compare(url, metadata)
    _tell(f"schema of {len(FEATURES)} features", differences, "run 'iotronic-mec db upgrade'")
    if migrate.present(url) is None:
        return 1
    database = open_database(url, writes=False)
    try:
        sealed, verdict = audit.check(database, lambda: core.storage(folder))
    finally:
        database.close()
    told = f", {sealed} sealed segments among them" if sealed else ""
    _tell(
        f"audit chain of {verdict.rows} rows{told}",
        [finding.text for finding in verdict.findings],
        "compare with a backup",
    )
    return 0 if verdict.ok and not differences else 1


def _tell(what: str, findings: list[str], cure: str) -> None:
    print(f"{what}: {f'{len(findings)} findings; {cure}' if findings else 'ok'}")
    for finding in findings[:MAX_SHOWN]:
        print(f"  {finding}")
