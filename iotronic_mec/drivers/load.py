"""Finds drivers by their name in the configuration; the only user of stevedore."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from stevedore.driver import DriverManager
from stevedore.exception import NoMatches

from iotronic_mec.clock import Clock
from iotronic_mec.drivers.storage.base import Storage
from iotronic_mec.errors import Error

STORAGE = "iotronic_mec.storage"
"""Entry points of storage drivers; called with the folder and the clock."""


class NoSuchDriver(Error):
    """No driver of this name is installed."""

    code = "iot.driver.unknown"


def load_storage(name: str, folder: Path, clock: Clock | None = None) -> Storage:
    """Make the storage an installation uses.

    :param name: of the entry point, ``filesystem`` or ``fake``
    :param folder: where a driver that needs one keeps its bytes
    :raises NoSuchDriver: none of this name is installed, or it does not load
    """
    try:
        manager: DriverManager[Any] = DriverManager(
            STORAGE,
            name,
            invoke_on_load=True,
            invoke_args=(folder, clock),
            on_load_failure_callback=_fail,
        )
    except NoMatches as error:
        raise NoSuchDriver(f"no storage driver named {name} is installed") from error
    return cast(Storage, manager.driver)


def _fail(_manager: object, point: object, error: BaseException) -> None:
    """Let the driver's own error through, not stevedore's silence."""
    raise NoSuchDriver(f"storage driver {point} cannot be loaded: {error}") from error
