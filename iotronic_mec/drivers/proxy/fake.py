"""Sites in memory, for tests and until an installation has a proxy."""

from __future__ import annotations

import threading

from iotronic_mec.drivers.proxy.base import Site


class FakeProxy:
    """Serves nothing, and says so."""

    simulates = True

    def __init__(self) -> None:
        self.sites: dict[str, Site] = {}
        self.renewed: list[str] = []
        self.failure: Exception | None = None
        """What the next calls raise; for tests."""
        self._lock = threading.Lock()

    def publish(self, site: Site) -> None:
        """Note a site."""
        self._fail()
        with self._lock:
            self.sites[site.host] = site

    def withdraw(self, site: Site) -> None:
        """Forget a site."""
        self._fail()
        with self._lock:
            self.sites.pop(site.host, None)

    def renew(self, site: Site) -> None:
        """Note that a certificate was asked for."""
        self._fail()
        with self._lock:
            self.renewed.append(site.host)

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure
