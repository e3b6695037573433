"""Finds drivers by their name in the configuration; the only user of stevedore."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from stevedore.driver import DriverManager
from stevedore.exception import NoMatches

from iotronic_mec.clock import Clock
from iotronic_mec.drivers.ledger.base import Ledger
from iotronic_mec.drivers.outside import Outside
from iotronic_mec.drivers.storage.base import Storage
from iotronic_mec.errors import Error

STORAGE = "iotronic_mec.storage"
"""Entry points of storage drivers; called with the folder and the clock."""

LEDGER = "iotronic_mec.ledger"
"""Entry points of ledger drivers; called with the path."""
OUTSIDE = "iotronic_mec.{family}"
"""Entry points of the drivers for the world outside, by family: ``tunnel``,
``dns``, ``proxy``, ``network``; called without arguments."""
NO_DRIVER = "none"
"""Instead of a driver's name: none is wanted."""


class NoSuchDriver(Error):
    """No driver of this name is installed."""

    code = "iot.driver.unknown"


def load_storage(name: str, folder: Path, clock: Clock | None = None) -> Storage:
    """Make the storage an installation uses.

    :param name: of the entry point, ``filesystem`` or ``fake``
    :param folder: where a driver that needs one keeps its bytes
    :raises NoSuchDriver: none of this name is installed, or it does not load
    """
    return cast(Storage, _load(STORAGE, name, (folder, clock)))


def load_ledger(name: str, path: Path) -> Ledger | None:
    """Make the ledger that the heads of the audit are handed to.

    :param name: of the entry point, ``file`` or ``fake``; ``none`` for no ledger
    :param path: where a driver that needs one keeps its heads
    :raises NoSuchDriver: none of this name is installed, or it does not load
    """
    return None if name == NO_DRIVER else cast(Ledger, _load(LEDGER, name, (path,)))


def load_outside(*, tunnel: str, dns: str, proxy: str, network: str) -> Outside:
    """Make the drivers an installation reaches boards by, each by its name.

    :raises NoSuchDriver: none of this name is installed, or it does not load
    """
    names = {"tunnel": tunnel, "dns": dns, "proxy": proxy, "network": network}
    made: dict[str, Any] = {
        family: _load(OUTSIDE.format(family=family), name, ()) for family, name in names.items()
    }
    return Outside(**made)


def _load(family: str, name: str, arguments: tuple[Any, ...]) -> object:
    try:
        manager: DriverManager[Any] = DriverManager(
            family,
            name,
            invoke_on_load=True,
            invoke_args=arguments,
            on_load_failure_callback=_fail,
        )
    except NoMatches as error:
        noun = family.rpartition(".")[2]
        raise NoSuchDriver(f"no {noun} driver named {name} is installed") from error
    return manager.driver


def _fail(_manager: object, point: object, error: BaseException) -> None:
    """Let the driver's own error through, not stevedore's silence."""
    raise NoSuchDriver(f"driver {point} cannot be loaded: {error}") from error
