"""Leases between the cloud, the agent's memory and the supervisor, which keeps them.

Reactor thread only.
"""

from __future__ import annotations

from typing import Any

from lightning_agent.errors import LeaseRefused
from lightning_agent.modules.link import Link
from lightning_agent.protocol.messages import PluginDesired
from lightning_agent.state.lease import LeaseReader
from lightning_agent.state.store import Store

SUPERVISOR_SINCE = 2
"""Version of the supervisor that holds plugins to leases."""


class Leases:
    """The leases of the board's plugins.

    :param reader: verifies them
    """

    def __init__(self, *, link: Link, store: Store, reader: LeaseReader) -> None:
        self._link = link
        self._store = store
        self._reader = reader

    def claims(self, plugin: str, lease: str | None, *, fresh: bool) -> dict[str, Any] | None:
        """Verify a lease and return what the supervisor is told of it.

        :param fresh: it has just come from the cloud
        :raises LeaseRefused: it is not the cloud's, or the supervisor would not keep it
        """
        if lease is None:
            return None
        version = str((self._link.hello or {}).get("version", ""))
        if not version.isdecimal() or int(version) < SUPERVISOR_SINCE:
            raise LeaseRefused("the running supervisor knows no leases: restart it")
        claims = self._reader.read(plugin, lease)
        return {"issued_s": claims.issued_s, "expires_s": claims.expires_s, "fresh": fresh}

    async def renew(self, plugin: str, lease: str) -> None:
        """Take a lease fresh from the cloud in place of the one a plugin has.

        :raises LeaseRefused: it is not the cloud's
        """
        claims = self.claims(plugin, lease, fresh=True)
        await self._store.set_lease(plugin, lease)
        await self._link.request("lease", plugin=plugin, lease=claims)

    async def settle(self, desired: list[PluginDesired]) -> None:
        """Bring what runs under the leases of the cloud's list, also to none."""
        leased = await self.list_left()
        for wanted in desired:
            if wanted.lease is not None or (wanted.running and wanted.plugin in leased):
                claims = self.claims(wanted.plugin, wanted.lease, fresh=True)
                await self._link.request("lease", plugin=wanted.plugin, lease=claims)

    async def list_left(self) -> dict[str, float]:
        """Return the seconds left of running plugins' leases, by plugin."""
        reply = await self._link.request("running")
        return {
            entry["plugin"]: float(entry["lease_s"])
            for entry in reply["plugins"]
            if entry.get("lease_s") is not None
        }
