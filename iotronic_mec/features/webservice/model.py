"""What a web service is, and its errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from iotronic_mec.errors import Conflict, NotFound

KIND = "webservice"


class WebserviceNotFound(NotFound):
    """There is no such web service."""

    code = "iot.webservice.not_found"


class WebserviceExists(Conflict):
    """The board has a web service of this name, or on this port."""

    code = "iot.webservice.exists"


class WebservicesPublished(Conflict):
    """The board has web services; unexpose them first."""

    code = "iot.enabled_webservice.in_use"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webservice:
    """A web server of a board under a host name.

    :param name: the first label of its host name
    :param port: on the board, 1..65535
    :param secure: whether plain HTTP is redirected to HTTPS
    :param host: ``<name>.<dns>.<zone>`` of its board
    """

    uuid: str
    board: str
    project: str
    name: str
    port: int
    secure: bool
    host: str
    extra: dict[str, Any] = field(default_factory=dict)
    state: str
    cause: dict[str, Any] | None = None
    created_at: datetime
    updated_at: datetime | None = None
