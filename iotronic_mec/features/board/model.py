"""What a board is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from iotronic_mec.errors import Conflict, NotFound
from iotronic_mec.lent import Lent

REGISTERED = "registered"
OFFLINE = "offline"
ONLINE = "online"

STATUSES = {
    REGISTERED: "created, no agent has enrolled yet",
    OFFLINE: "enrolled, no session at present",
    ONLINE: "enrolled, its agent answers",
}
"""IoTronic's words; each with its meaning."""


class BoardNotFound(NotFound):
    """There is no such board."""

    code = "iot.board.not_found"


class BoardExists(Conflict):
    """A board of this name or uuid exists already."""

    code = "iot.board.exists"


class ProjectHasBoards(Conflict):
    """The project has boards; delete them first."""

    code = "iot.project.has_boards"


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a board is: degrees and metres as the client wrote them."""

    longitude: str
    latitude: str
    altitude: str
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A registered device.

    ``agent``: uuid of the wamp agent it is bound to. ``session``: WAMP session
    id as text, ``None`` when offline. ``level``: what its sandbox holds,
    ``basic`` or ``refuse``. ``public_key``: Ed25519, 64 hexadecimal digits,
    ``None`` before enrolment.
    """

    uuid: str
    project: str
    owner: str
    name: str
    type: str | None = None
    status: str = REGISTERED
    agent: str | None = None
    session: str | None = None
    fleet: str | None = None
    mobile: bool = False
    lr_version: str | None = None
    level: str | None = None
    public_key: str | None = None
    connectivity: dict[str, Any] = field(default_factory=dict)
    capabilities: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    location: tuple[Location, ...] = ()
    status_at: datetime | None = None
    created_at: datetime
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The little of a board that an order to it needs.

    ``lent``: what lets the order pass on another project's board.
    """

    uuid: str
    project: str
    name: str
    status: str
    agent: str | None
    lent: tuple[Lent, ...] = ()
