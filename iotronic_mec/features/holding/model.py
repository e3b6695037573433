"""What a holding is: a public port, a DNS name, a site, a network port.

Something outside the cloud's own database, held on behalf of a board and owned
by a *holder*: an exposed service, a web service, a virtual port. It is written
down before a driver is asked for it and forgotten only after a driver has given
it back, so that nothing outside is ever lost, whatever dies in between.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from iotronic_mec.errors import Conflict, Unavailable
from iotronic_mec.states import Machine

OPENING = "opening"
OPEN = "open"
CLOSING = "closing"

MACHINE = Machine(
    name="holding",
    initial=OPENING,
    meaning={
        OPENING: "written down; the driver is being asked for it",
        OPEN: "the driver has it",
        CLOSING: "to be given back; tried again until the driver has done it",
    },
    moves={
        OPENING: frozenset({OPEN, CLOSING}),
        OPEN: frozenset({OPENING, CLOSING}),
        CLOSING: frozenset(),
    },
)
"""Of holdings and of what holds them. After ``closing`` the row is deleted."""

TUNNEL = "tunnel"
DNS = "dns"
PROXY = "proxy"
NETWORK = "network"

RETRY_S = (5.0, 15.0, 60.0, 300.0)
"""Pauses between tries to give something back, seconds; the last one repeats."""

GRACE_S = 120.0
"""After how long something that is still opening or closing is taken up by the
periodic work, seconds; longer than any request lasts."""


IMPORTED = "imported"
"""Code of the cause of what another cloud had open: it is written down as open
here, with its port and its name, and no driver was ever asked for it."""


class PortsExhausted(Unavailable):
    """All public ports are in use; the operator has to allow more."""

    code = "iot.public_port.exhausted"


class NameTaken(Conflict):
    """The host name is in use."""

    code = "iot.dns.name_taken"


class BeingClosed(Conflict):
    """It is being closed; try again when it is gone."""

    code = "iot.reach.closing"


class Withdrawn(Conflict):
    """It was withdrawn while it was being opened."""

    code = "iot.reach.withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One thing held outside.

    :param holder: uuid of what owns it
    :param kind: ``tunnel``, ``dns``, ``proxy`` or ``network``
    :param key: what nobody else may have, as ``port:50001`` or
        ``name:a.example.org``; ``None`` where there is no such thing
    :param board: uuid; the holding may outlive the board
    :param spec: what the driver is asked for, by the fields of its request
    :param facts: what the driver made of it
    :param attempts: how often it could not be given back
    """

    uuid: str
    holder: str
    kind: str
    key: str | None
    project: str
    board: str
    spec: dict[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)
    state: str = OPENING
    cause: dict[str, Any] | None = None
    attempts: int = 0
    retry_at: datetime | None = None
    created_at: datetime
    updated_at: datetime | None = None


def port_key(port: int) -> str:
    """Return the key of a public port.

    >>> port_key(50001)
    'port:50001'
    """
    return f"port:{port}"


def name_key(host: str) -> str:
    """Return the key of a host name."""
    return f"name:{host}"


def pause_s(attempts: int) -> float:
    """Return how long to wait after so many failures, seconds.

    >>> pause_s(1), pause_s(99)
    (5.0, 300.0)
    """
    return RETRY_S[min(max(attempts, 1), len(RETRY_S)) - 1]
