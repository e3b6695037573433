"""The interface of tunnel drivers.

``open`` and ``close`` may be repeated: what is open stays open, what is not
there is closed. Any thread; each blocks for a bounded time. They raise
:class:`~iotronic_mec.drivers.failure.DriverFailed`,
:class:`~iotronic_mec.drivers.failure.DriverUnavailable` or another of the
cloud's errors, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunnel:
    """One tunnel.

    :param board: uuid of the board it ends on
    :param protocol: ``TCP``, ``UDP`` or ``ANY`` for both
    :param local_port: on the board, 1..65535
    :param public_port: on the cloud, 1..65535; nobody else has it
    """

    uuid: str
    board: str
    protocol: str
    local_port: int
    public_port: int


class TunnelDriver(Protocol):
    """Opens and closes tunnels."""

    simulates: bool
    """Whether nothing is really opened."""

    def open(self, tunnel: Tunnel) -> None:
        """Have the public port lead to the board's port from now on."""

    def close(self, tunnel: Tunnel) -> None:
        """Have the public port lead nowhere from now on."""

    def is_open(self, tunnel: Tunnel) -> bool:
        """Say whether the public port leads to the board at the moment."""
