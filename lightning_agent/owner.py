"""What the board's owner lets the cloud's users do with the board itself.

Table ``[device]`` of ``agent.toml``::

    [device]
    allow = ["network", "restart", "rest", "reset"]  # more: reboot, upgrade, package
    reboot_command = ["systemctl", "reboot"]
    restart_command = []               # empty: the agent starts itself anew
    upgrade_command = ["/usr/bin/python3", "-m", "pip", "install", "--upgrade", "{requirement}"]
    package_managers = ["apt", "pip"]  # with "package" in allow
    work_limit_s = 900                 # of package operations and upgrades, 1..3600
    rest_networks = ["192.168.1.0/24"] # REST submit may reach these besides the internet
    rest_insecure = false              # whether verify = false is obeyed

Commands are lists of arguments; no shell reads them. What is not allowed is
refused with the sentence that says how to allow it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lightning_agent.errors import Error
from lightning_agent.protocol.addresses import AddressPolicy
from lightning_agent.protocol.device import FAMILIES, MAX_WORK_S

NETWORK = "network"
RESTART = "restart"
REST = "rest"
RESET = "reset"
REBOOT = "reboot"
UPGRADE = "upgrade"
PACKAGE = "package"

ABILITIES = (NETWORK, RESTART, REST, RESET, REBOOT, UPGRADE, PACKAGE)
"""What can be allowed."""

DEFAULT_ALLOWED = frozenset({NETWORK, RESTART, REST, RESET})
"""What is allowed unless the owner says otherwise: what ends with the agent. To
restart the machine or to change its software is the owner's to allow."""

REQUIREMENT = "{requirement}"
"""Stands in ``upgrade_command`` for ``iotronic-mec[agent]==1.2.3``."""


class NotAllowed(Error):
    """The board's owner has not allowed this; the message says how to."""

    code = "not_allowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The owner's settings for orders to the board itself."""

    allow: frozenset[str] = DEFAULT_ALLOWED
    reboot_command: tuple[str, ...] = ("systemctl", "reboot")
    restart_command: tuple[str, ...] = ()
    upgrade_command: tuple[str, ...] = (
        sys.executable,
        "-m",
        "pip",
        "install",
        "--upgrade",
        REQUIREMENT,
    )
    package_managers: frozenset[str] = frozenset()
    work_limit_s: float = 900.0
    rest: AddressPolicy = field(default_factory=AddressPolicy)
    rest_insecure: bool = False

    def check(self, ability: str) -> None:
        """Let an ability pass that is allowed.

        :raises NotAllowed: says what to write where
        """
        if ability not in self.allow:
            allowed = ", ".join(f'"{name}"' for name in sorted({*self.allow, ability}))
            raise NotAllowed(
                f"this board's owner has not allowed {ability!r}: on the board, write allow = "
                f"[{allowed}] into [device] of agent.toml and restart the agent",
                details={"ability": ability},
            )

    def check_manager(self, manager: str) -> None:
        """Let a package manager pass that is allowed.

        :raises NotAllowed: says what to write where
        """
        self.check(PACKAGE)
        if manager not in self.package_managers:
            allowed = ", ".join(f'"{name}"' for name in sorted({*self.package_managers, manager}))
            raise NotAllowed(
                f"this board's owner has not allowed the package manager {manager!r}: on the "
                f"board, write package_managers = [{allowed}] into [device] of agent.toml and "
                "restart the agent",
                details={"ability": PACKAGE, "manager": manager},
            )


def read_owner(table: Mapping[str, Any]) -> Owner:
    """Read the table ``[device]``.

    :raises ValueError: names the key and the rule
    """
    unknown = sorted(set(table) - set(_READ))
    if unknown:
        raise ValueError(f"[device] knows no {unknown[0]}; it knows {', '.join(sorted(_READ))}")
    given = {key: _READ[key](table, key) for key in table}
    if "rest_networks" in given:
        given["rest"] = given.pop("rest_networks")
    return Owner(**given)


def _command(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    argv = tuple(_texts(table, key))
    if (not argv and key != "restart_command") or (argv and not argv[0]):
        raise ValueError(f"{key} must name a program")
    return argv


def _networks(table: Mapping[str, Any], key: str) -> AddressPolicy:
    try:
        return AddressPolicy.of(_texts(table, key))
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


def _truth(table: Mapping[str, Any], key: str) -> bool:
    if not isinstance(table[key], bool):
        raise ValueError(f"{key} must be true or false")
    return bool(table[key])


def _texts(table: Mapping[str, Any], key: str) -> list[str]:
    value = table[key]
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ValueError(f"{key} must be a list of texts")
    if any("\0" in word for word in value):
        raise ValueError(f"{key} must not hold the character 0")
    return value


def _choices(table: Mapping[str, Any], key: str) -> frozenset[str]:
    known = ABILITIES if key == "allow" else tuple(FAMILIES)
    words = _texts(table, key)
    for word in words:
        if word not in known:
            raise ValueError(f"{key}: {word[:40]!r} is not known; known are {', '.join(known)}")
    return frozenset(words)


def _seconds(table: Mapping[str, Any], key: str) -> float:
    value = table[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key} must be a number")
    if not 1 <= value <= MAX_WORK_S:
        raise ValueError(f"{key} must be a number from 1 to {MAX_WORK_S:g}")
    return float(value)


_READ: Mapping[str, Callable[[Mapping[str, Any], str], Any]] = {
    "allow": _choices,
    "package_managers": _choices,
    "reboot_command": _command,
    "restart_command": _command,
    "upgrade_command": _command,
    "work_limit_s": _seconds,
    "rest_networks": _networks,
    "rest_insecure": _truth,
}
"""Key of the table to what reads it."""
