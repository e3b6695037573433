"""What ``iotronic-mec status upgrade-check`` looks at; each check changes nothing."""

from __future__ import annotations

import importlib.metadata
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from oslo_config import cfg

from iotronic_mec.api import policy
from iotronic_mec.cmd import core
from iotronic_mec.conf import load, load_settings, unknown
from iotronic_mec.db import migrate
from iotronic_mec.db.engine import is_sqlite
from iotronic_mec.drivers.load import load_ledger, load_outside, load_storage
from iotronic_mec.errors import Error
from iotronic_mec.missing import missing
from iotronic_mec.registry import FEATURES


class Code(IntEnum):
    """How a check ended, and the exit code."""

    SUCCESS = 0
    WARNING = 1
    FAILURE = 2


Result = tuple[Code, str]

TESTED = {"sqlite": (3, 40), "postgresql": (15,), "mariadb": (10, 11)}
"""Oldest versions of the engines that the tests run on."""

MAX_TOLD = 5
"""Most findings of one check that are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """What is looked at.

    :param folder: the state directory
    :param files: configuration files of separate processes; none for standalone
    """

    folder: Path
    files: tuple[Path, ...] = ()

    def present_files(self) -> tuple[Path, ...]:
        """Return the configuration files there are."""
        own = self.folder / "iotronic.conf"
        return self.files or ((own,) if own.exists() else ())

    def settings(self) -> Any:
        """Read the settings.

        :raises Error: the configuration cannot be used
        """
        return load_settings(
            self.folder, public_url="", content_url="", wamp_url="", given=self.files
        )


def packages(cloud: Cloud) -> Result:
    """Say what is not installed."""
    absent = missing("server")
    engines = {"postgresql": "postgresql", "mysql": "mariadb", "mariadb": "mariadb"}
    try:
        url = core.database_url(cloud.folder, cloud.files)
    except Error:
        url = ""
    for beginning, extra in engines.items():
        if url.startswith(beginning):
            absent += missing(extra)
    return (Code.FAILURE, "; ".join(absent)) if absent else (Code.SUCCESS, "all installed")


def configuration(cloud: Cloud) -> Result:
    """Say whether the configuration can be used, and what in it is read by nobody."""
    try:
        cloud.settings()
        files = cloud.present_files()
        found = [*unknown.unknown(files), *unknown.deprecated(files)]
    except (Error, cfg.Error) as error:
        return Code.FAILURE, str(getattr(error, "message", error))
    if found:
        return Code.WARNING, _few(found)
    return Code.SUCCESS, "readable, every option known"


def rules(cloud: Cloud) -> Result:
    """Say what is wrong with the operator's policy file."""
    path: Path = cloud.settings().policy_file
    if not path.exists():
        return Code.SUCCESS, "none of yours; the defaults hold"
    wrong, idle = policy.wrong_rules(FEATURES, path)
    if wrong:
        return Code.FAILURE, _few([*wrong, *idle])
    return (Code.WARNING, _few(idle)) if idle else (Code.SUCCESS, "every rule known")


def engine(cloud: Cloud) -> Result:
    """Say whether the database's engine is one that is tested."""
    name, version = migrate.engine_version(core.database_url(cloud.folder, cloud.files))
    told = ".".join(map(str, version[:3]))
    oldest = TESTED.get(name)
    if oldest is None:
        return Code.FAILURE, f"{name} is not supported: {', '.join(TESTED)} are"
    if version < oldest:
        least = ".".join(map(str, oldest))
        return Code.FAILURE, f"{name} {told} is older than {least}, the oldest that is tested"
    return Code.SUCCESS, f"{name} {told}"


def schema(cloud: Cloud) -> Result:
    """Say how far the records are from this release."""
    url = core.database_url(cloud.folder, cloud.files)
    if is_sqlite(url) and not Path(url.partition(":///")[2]).exists():
        return Code.SUCCESS, "none yet; the first start makes it"
    present, head = migrate.present(url), migrate.head()
    if present == head:
        return Code.SUCCESS, f"at {head}"
    if present is not None and present not in migrate.revisions():
        return Code.WARNING, (
            f"at {present}, of a newer release, which keeps all this one needs; "
            "do not run 'iotronic-mec db upgrade'"
        )
    left = len(migrate.pending(present))
    return Code.WARNING, (
        f"at {present}, {left} revisions before {head}; the next start, or "
        "'iotronic-mec db upgrade', makes them; processes of the last release go on meanwhile"
    )


def drivers(cloud: Cloud) -> Result:
    """Say which drivers only keep the books; that is allowed, and has to be known."""
    settings = cloud.settings()
    reach = settings.reach
    found = load_outside(
        tunnel=reach.tunnel_driver,
        dns=reach.dns_driver,
        proxy=reach.proxy_driver,
        network=reach.network_driver,
    )
    with tempfile.TemporaryDirectory() as elsewhere:
        # drivers make their folders: not where the cloud is, which is only looked at
        load_ledger(settings.ledger_driver, Path(elsewhere) / "ledger")
        load_storage(settings.storage_driver, Path(elsewhere) / "storage")
    pretending = ", ".join(found.simulated())
    if pretending:
        return Code.SUCCESS, f"'fake', which does nothing outside: {pretending}"
    return Code.SUCCESS, "all real"


def folders(cloud: Cloud) -> Result:
    """Say whether the cloud can write where it keeps its things."""
    settings = cloud.settings()
    places = {"state directory": cloud.folder}
    if settings.storage_driver == "filesystem":
        places["storage"] = core.blobs(settings)
    wrong = []
    for name, path in places.items():
        there = path
        while not there.exists() and there != there.parent:
            there = there.parent
        if not os.access(there, os.W_OK | os.X_OK):
            wrong.append(f"{name} {path} cannot be written")
    if wrong:
        return Code.FAILURE, _few(wrong)
    if cloud.folder.exists() and cloud.folder.stat().st_mode & 0o077:
        return Code.WARNING, f"{cloud.folder} is open to others: run 'chmod 700 {cloud.folder}'"
    return Code.SUCCESS, "writable"


def router(cloud: Cloud) -> Result:
    """Say whether Crossbar is here."""
    absent = missing("router")
    if not absent:
        return Code.SUCCESS, f"crossbar {importlib.metadata.version('crossbar')}"
    if cloud.files:
        return Code.SUCCESS, "not installed; only hosts of a wamp agent need it"
    return Code.FAILURE, absent[0]


def metrics(cloud: Cloud) -> Result:
    """Say whether the listener of the metrics is one that is not refused."""
    options = load(cloud.folder, cloud.files).metrics
    if not options.port:
        return Code.SUCCESS, "off"
    try:
        pages = importlib.import_module("iotronic_mec.cmd.metrics")
    except ModuleNotFoundError as error:
        return Code.FAILURE, f"{error.name} is not installed"
    place = pages.read_place(options, cloud.folder)
    return Code.SUCCESS, f"at {place.host} port {place.port}"


CHECKS: Sequence[tuple[str, Callable[[Cloud], Result]]] = (
    ("Packages", packages),
    ("Configuration", configuration),
    ("Policy", rules),
    ("Database engine", engine),
    ("Database schema", schema),
    ("Drivers", drivers),
    ("Folders", folders),
    ("Router", router),
    ("Metrics", metrics),
)
"""All checks by their name, in the order they are told."""


def run_all(cloud: Cloud) -> list[tuple[str, Result]]:
    """Run every check; what one cannot look at has failed."""
    results: list[tuple[str, Result]] = []
    for name, check in CHECKS:
        try:
            results.append((name, check(cloud)))
        except Error as error:
            results.append((name, (Code.FAILURE, error.message)))
    return results


def _few(found: Sequence[str]) -> str:
    told = "; ".join(found[:MAX_TOLD])
    more = len(found) - MAX_TOLD
    return f"{told}; and {more} more" if more > 0 else told
