"""What a board has whose web servers may be published, and its errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from iotronic_mec import hostname
from iotronic_mec.errors import BadRequest, Conflict, NotFound

KIND = "enabled_webservice"

HTTP_PORT = 80
HTTPS_PORT = 443
"""Where the board's own web server listens. Source: RFC 9110 section 4.2."""


class NotEnabled(NotFound):
    """Web services are not enabled on this board; enable them first."""

    code = "iot.enabled_webservice.not_found"


class AlreadyEnabled(Conflict):
    """Web services are enabled on this board already."""

    code = "iot.enabled_webservice.exists"


class ZoneNotAllowed(BadRequest):
    """No names may be taken in this DNS zone."""

    code = "iot.dns.zone_not_allowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnabledWebservice:
    """A board whose web servers may be published.

    :param uuid: the board's: there is one for a board
    :param dns: the board's part of its name, one label or several
    :param zone: the DNS zone it stands in
    :param email: whom the certificate authority may write to
    :param http_port: public port that leads to the board's port 80
    :param https_port: public port that leads to the board's port 443
    """

    uuid: str
    board: str
    project: str
    dns: str
    zone: str
    email: str
    http_port: int
    https_port: int
    extra: dict[str, Any] = field(default_factory=dict)
    state: str
    cause: dict[str, Any] | None = None
    created_at: datetime
    updated_at: datetime | None = None

    @property
    def host(self) -> str:
        """The board's host name."""
        return f"{self.dns}.{self.zone}"


def check_host(host: str, field: str) -> str:
    """Return a host name if it may be used.

    :raises BadRequest: names the field and the rule
    """
    if not hostname.is_hostname(host) or hostname.is_address(host):
        raise BadRequest(
            f"{field}: {host[:80]!r} is no host name; labels of 1 to 63 letters, digits and '-', "
            f"{hostname.MAX_CHARACTERS} characters in all, and a last label that is no number "
            "are expected",
            details={"field": field},
        )
    return host
