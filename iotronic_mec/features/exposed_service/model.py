"""What an exposed service is, and its errors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from iotronic_mec.errors import BadRequest, Conflict, NotFound

KIND = "exposed_service"

ENABLE = "ServiceEnable"
DISABLE = "ServiceDisable"
RESTORE = "ServiceRestore"

ACTIONS = (ENABLE, DISABLE, RESTORE)
"""IoTronic's words. Source: spec/iotronic-api.md section 2.5."""


class NotExposed(NotFound):
    """The service is not exposed on this board."""

    code = "iot.exposed_service.not_found"


class ServiceWithdrawn(Conflict):
    """The owner of the service has withdrawn it from all boards."""

    code = "iot.service.withdrawn"


class AlreadyExposed(Conflict):
    """The service is exposed on this board already."""

    code = "iot.exposed_service.exists"


class InvalidServiceAction(BadRequest):
    """There is no such action."""

    code = "iot.exposed_service.invalid_action"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One service of one board, reachable at a public port.

    :param board: uuid
    :param service: uuid
    :param name: of the service
    :param port: on the board
    :param public_port: on the cloud; nobody else has it
    :param state: ``opening``, ``open`` or ``closing``
    """

    uuid: str
    board: str
    service: str
    name: str
    port: int
    protocol: str
    public_port: int
    state: str
    cause: dict[str, Any] | None = None
    created_at: datetime
    updated_at: datetime | None = None
