"""Ports in memory, for tests and until an installation has a network service."""

from __future__ import annotations

import hashlib
import threading
from ipaddress import IPv4Address

from iotronic_mec.drivers.network.base import MadePort, NewPort

_FIRST = int(IPv4Address("198.18.0.1"))
_PREFIX = 15
"""The range for tests of networks: no real host has an address of it.
Source: RFC 2544 appendix C.2.2."""


class FakeNetwork:
    """Makes up addresses; the same for the same uuid, also after a restart."""

    simulates = True

    def __init__(self) -> None:
        self.ports: dict[str, NewPort] = {}
        self.failure: Exception | None = None
        """What the next calls raise; for tests."""
        self._lock = threading.Lock()

    def create(self, port: NewPort) -> MadePort:
        """Make up a port."""
        self._fail()
        digest = hashlib.sha256(port.uuid.encode()).digest()
        with self._lock:
            self.ports[port.uuid] = port
        offset = int.from_bytes(digest[3:6]) % (2 ** (32 - _PREFIX) - 2)
        return MadePort(
            external=port.uuid,
            mac="fa:16:3e:" + ":".join(f"{byte:02x}" for byte in digest[:3]),
            ip=str(IPv4Address(_FIRST + offset)),
            prefix_length=_PREFIX,
        )

    def delete(self, uuid: str, external: str | None) -> None:
        """Forget a port."""
        del external
        self._fail()
        with self._lock:
            self.ports.pop(uuid, None)

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure
