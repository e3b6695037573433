"""The interface of network drivers.

``create`` is repeated with the same uuid after a crash and then returns the
port made before; ``delete`` may be repeated. Any thread; each blocks for a
bounded time. They raise only the cloud's errors, see
:mod:`iotronic_mec.drivers.failure`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPort:
    """A port to make.

    :param uuid: ours; drivers tag what they make with it, to find it again
    :param project: on whose behalf: networks of others must be refused
    :param network: uuid of the network
    :param subnet: uuid of the subnet, ``None`` to let the network choose
    :param security_groups: uuids
    """

    uuid: str
    project: str
    board: str
    network: str
    subnet: str | None
    security_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MadePort:
    """A port as it was made.

    :param external: the network's own id of the port
    :param mac: as ``fa:16:3e:00:00:01``
    :param ip: IPv4 or IPv6 address
    :param prefix_length: bits of the network part of ``ip``
    """

    external: str
    mac: str
    ip: str
    prefix_length: int


class NetworkDriver(Protocol):
    """Makes and deletes ports."""

    simulates: bool
    """Whether there is no network behind it."""

    def create(self, port: NewPort) -> MadePort:
        """Make a port, or find the one with this uuid."""

    def delete(self, uuid: str, external: str | None) -> None:
        """Delete a port; one that is not there is no error.

        :param external: ``None`` when it is not known whether it was made
        """
