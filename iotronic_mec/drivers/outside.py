"""The drivers for the world outside, together: what a board is reached by."""

from __future__ import annotations

from dataclasses import dataclass, field

from iotronic_mec.drivers.dns.base import DNSDriver
from iotronic_mec.drivers.dns.fake import FakeDNS
from iotronic_mec.drivers.network.base import NetworkDriver
from iotronic_mec.drivers.network.fake import FakeNetwork
from iotronic_mec.drivers.proxy.base import ProxyDriver
from iotronic_mec.drivers.proxy.fake import FakeProxy
from iotronic_mec.drivers.tunnel.base import TunnelDriver
from iotronic_mec.drivers.tunnel.fake import FakeTunnels


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """One driver of each family; the fakes where nothing else is said."""

    tunnel: TunnelDriver = field(default_factory=FakeTunnels)
    dns: DNSDriver = field(default_factory=FakeDNS)
    proxy: ProxyDriver = field(default_factory=FakeProxy)
    network: NetworkDriver = field(default_factory=FakeNetwork)

    def simulated(self) -> list[str]:
        """Return the families whose driver only pretends."""
        return [
            family
            for family in ("tunnel", "dns", "proxy", "network")
            if getattr(self, family).simulates
        ]
