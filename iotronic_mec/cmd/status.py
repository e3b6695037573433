"""``iotronic-mec status upgrade-check``: what an upgrade to this release needs.

Exit codes as in OpenStack: 0 nothing to do, 1 look at the warnings, 2 stop.
Source: OpenStack's oslo.upgradecheck documentation.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from iotronic_mec.cmd import core
from iotronic_mec.conf import load_settings
from iotronic_mec.db import migrate
from iotronic_mec.db.engine import is_sqlite
from iotronic_mec.drivers.load import load_outside
from iotronic_mec.errors import Error
from iotronic_mec.missing import missing

SUCCESS, WARNING, FAILURE = 0, 1, 2


def run(arguments: list[str]) -> int:
    """Read the arguments and check; return the exit code."""
    parser = argparse.ArgumentParser(prog="iotronic-mec status")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser("upgrade-check", help="say what an upgrade needs")
    check.add_argument("--state-dir", type=Path, required=True, help="the cloud's state directory")
    given = parser.parse_args(arguments)
    folder: Path = given.state_dir.absolute()
    results = [_packages(), _configuration(folder), _database(folder), _drivers(folder)]
    for name, code, told in zip(
        ("packages", "configuration", "database", "drivers"),
        *zip(*results, strict=True),
        strict=True,
    ):
        print(f"{name:<14} {('ok', 'warning', 'failure')[code]:<8} {told}")
    return max(code for code, _ in results)


def _packages() -> tuple[int, str]:
    absent = missing("server", "router")
    return (FAILURE, absent[0]) if absent else (SUCCESS, "all installed")


def _configuration(folder: Path) -> tuple[int, str]:
    try:
        load_settings(folder, public_url="", content_url="", wamp_url="")
    except Error as error:
        return FAILURE, error.message
    return SUCCESS, "readable"


def _drivers(folder: Path) -> tuple[int, str]:
    """Say which drivers only keep the books; that is allowed, and has to be known."""
    try:
        reach = load_settings(folder, public_url="", content_url="", wamp_url="").reach
        drivers = load_outside(
            tunnel=reach.tunnel_driver,
            dns=reach.dns_driver,
            proxy=reach.proxy_driver,
            network=reach.network_driver,
        )
    except Error as error:
        return FAILURE, error.message
    pretending = ", ".join(drivers.simulated())
    if pretending:
        return SUCCESS, f"'fake', which does nothing outside: {pretending}"
    return SUCCESS, "all real"


def _database(folder: Path) -> tuple[int, str]:
    try:
        url = core.database_url(folder)
        if is_sqlite(url) and not (folder / core.DATABASE_NAME).exists():
            return SUCCESS, "none yet; the first start makes it"
        present, head = migrate.present(url), migrate.head()
    except Error as error:
        return FAILURE, error.message
    if present == head:
        return SUCCESS, f"at {head}"
    return WARNING, f"at {present}; the next start, or 'iotronic-mec db upgrade', makes it {head}"
