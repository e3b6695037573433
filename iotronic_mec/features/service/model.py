"""What a service is, and its errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from iotronic_mec.errors import Conflict, Forbidden, NotFound

KIND = "service"

PROTOCOLS = ("TCP", "UDP", "ANY")
"""IoTronic's words; ANY is both."""


class ServiceNotFound(NotFound):
    """There is no such service."""

    code = "iot.service.not_found"


class ServiceExists(Conflict):
    """The project has a service of this name."""

    code = "iot.service.exists"


class ServiceAmbiguous(Conflict):
    """Several public services have this name: use the uuid."""

    code = "iot.service.ambiguous"


class ServiceInUse(Conflict):
    """The service is exposed on a board."""

    code = "iot.service.in_use"


class ServiceNotYours(Forbidden):
    """A public service of another project is only used, not changed."""

    code = "iot.service.not_yours"


class ProjectHasServices(Conflict):
    """The project has services; delete them first."""

    code = "iot.project.has_services"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A port of boards with a name.

    :param port: on the board, 1..65535
    :param protocol: one of :data:`PROTOCOLS`
    :param public: whether other projects may expose it on their boards
    """

    uuid: str
    project: str
    name: str
    port: int
    protocol: str = "TCP"
    public: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
    created_at: datetime
    updated_at: datetime | None = None
