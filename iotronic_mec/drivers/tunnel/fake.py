"""Tunnels that are only noted, for tests and until an installation has real ones."""

from __future__ import annotations

import threading

from iotronic_mec.drivers.tunnel.base import Tunnel


class FakeTunnels:
    """Opens nothing, and says so."""

    simulates = True

    def __init__(self) -> None:
        self.open_now: dict[str, Tunnel] = {}
        self.failure: Exception | None = None
        """What the next calls raise; for tests."""
        self._lock = threading.Lock()

    def open(self, tunnel: Tunnel) -> None:
        """Note a tunnel."""
        self._fail()
        with self._lock:
            self.open_now[tunnel.uuid] = tunnel

    def close(self, tunnel: Tunnel) -> None:
        """Forget a tunnel."""
        self._fail()
        with self._lock:
            self.open_now.pop(tunnel.uuid, None)

    def is_open(self, tunnel: Tunnel) -> bool:
        """Say no: nothing is forwarded."""
        del tunnel
        return False

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure
