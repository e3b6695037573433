"""What a virtual port is, and its errors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from iotronic_mec.errors import NotFound

KIND = "virtual_port"


class PortNotFound(NotFound):
    """There is no such port."""

    code = "iot.port.not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualPort:
    """A port of a network on a board.

    :param network: uuid of the network
    :param subnet: uuid of the subnet, ``None`` where the network chose
    :param tcp_port: of the cloud, which the interface's link goes through
    :param mac: ``None`` until the network has made the port
    :param ip: likewise
    :param external: the network's own id of the port
    """

    uuid: str
    board: str
    project: str
    network: str
    subnet: str | None
    security_groups: tuple[str, ...] = ()
    tcp_port: int
    mac: str | None = None
    ip: str | None = None
    prefix_length: int | None = None
    external: str | None = None
    state: str
    cause: dict[str, Any] | None = None
    created_at: datetime
    updated_at: datetime | None = None

    @property
    def vif_name(self) -> str:
        """The interface's name on the board."""
        return f"iotronic{self.tcp_port}"
