"""What a board can be told to do with itself, and how each action is carried out."""

from __future__ import annotations

from dataclasses import dataclass

from iotronic_mec.errors import BadRequest, Busy, Conflict, Error, Forbidden
from lightning_agent.protocol import names
from lightning_agent.protocol.device import (
    DelayParameters,
    PackageParameters,
    Parameters,
    ResetParameters,
    RestParameters,
    UpgradeParameters,
)

ECHO = "DeviceEcho"
REST_SUBMIT = "DeviceRestSubmit"
FACTORY_RESET = "DeviceFactoryReset"


class InvalidAction(BadRequest):
    """There is no such action."""

    code = "iot.board.invalid_action"


class BadActionParameters(BadRequest):
    """A parameter of the action is wrong; the message names it."""

    code = "iot.board.bad_parameters"


class ActionNotAllowed(Forbidden):
    """The board's owner has not allowed this; the message says how to."""

    code = "iot.board.not_allowed"


class AddressNotAllowed(BadRequest):
    """The board does not connect to this address; the message says why."""

    code = "iot.board.address_refused"


class FleetEmpty(Conflict):
    """The fleet has no boards: put some in first."""

    code = "iot.fleet.empty"


class FleetTooLarge(BadRequest):
    """The fleet has more boards than one request may be for."""

    code = "iot.fleet.too_large"


BY_CAUSE: dict[str, type[Error]] = {
    "not_allowed": ActionNotAllowed,
    "address_refused": AddressNotAllowed,
    "bad_parameters": BadActionParameters,
    "busy": Busy,
}
"""Causes with which a board refuses an order, and what the caller is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action.

    :param procedure: of the board
    :param summary: a sentence for people
    :param parameters: what its parameters must be like on the wire; ``None``: it has none
    :param changes: whether it changes the board: then it is stored before it is sent
    :param life_s: seconds until its end must be known, where the board goes on
        working after its answer; such an action is never waited for
    """

    procedure: str
    summary: str
    parameters: type[Parameters] | None = None
    changes: bool = False
    life_s: float | None = None

    @property
    def is_long(self) -> bool:
        """Whether the board works on after it has answered."""
        return self.life_s is not None


LONG_LIFE_S = 3900.0
"""Upgrades and package operations: the board ends them within an hour."""

ACTIONS: dict[str, Action] = {
    "DevicePing": Action(procedure=names.DEVICE_PING, summary="say host name and time"),
    ECHO: Action(procedure=names.DEVICE_ECHO, summary="say something back"),
    "DeviceNetConfig": Action(procedure=names.DEVICE_NETWORK, summary="describe the network"),
    "DeviceReboot": Action(
        procedure=names.DEVICE_REBOOT,
        summary="restart the machine",
        parameters=DelayParameters,
        changes=True,
    ),
    "DeviceRestartLR": Action(
        procedure=names.DEVICE_RESTART,
        summary="restart the agent; plugins go on running",
        parameters=DelayParameters,
        changes=True,
    ),
    "DeviceUpgradeLR": Action(
        procedure=names.PACKAGE_UPGRADE,
        summary="install another version of the agent",
        parameters=UpgradeParameters,
        changes=True,
        life_s=LONG_LIFE_S,
    ),
    "DevicePkgOperation": Action(
        procedure=names.PACKAGE_RUN,
        summary="install, renew or remove packages",
        parameters=PackageParameters,
        changes=True,
        life_s=LONG_LIFE_S,
    ),
    REST_SUBMIT: Action(
        procedure=names.REST_SUBMIT,
        summary="send an HTTP request from the board",
        parameters=RestParameters,
        changes=True,
    ),
    FACTORY_RESET: Action(
        procedure=names.RESET_FACTORY,
        summary="remove all plugins and data",
        parameters=ResetParameters,
        changes=True,
    ),
}
"""Action to what it is. Source: spec/iotronic-api.md section 2.2."""

REFUSED = {
    "DeviceMountFs": (
        "it would remount the board's root file system, which needs a helper of one vendor's "
        "images; boards of this cloud keep their state in one directory and need no remount"
    ),
}
"""Upstream's actions that are not offered, and why."""

MAX_FLEET = 10_000
"""Most boards one request may be for."""


def find_action(name: str) -> Action:
    """Return an action.

    :raises InvalidAction: there is none of this name, or it is not offered
    """
    found = ACTIONS.get(name)
    if found is not None:
        return found
    details = {"field": "action", "known": sorted(ACTIONS)}
    if name in REFUSED:
        raise InvalidAction(f"action: {name} is not offered: {REFUSED[name]}", details=details)
    known = ", ".join(sorted(ACTIONS))
    raise InvalidAction(f"action: {name[:40]!r} is not known; known are {known}", details=details)
