"""What the board says of itself: version, level, abilities, address, plugins."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_agent.missing import EXTRAS, missing
from lightning_agent.modules.keeper import Keeper
from lightning_agent.modules.link import Link
from lightning_agent.protocol.messages import AgentState, Join, Report
from lightning_agent.protocol.version import PROTOCOL_VERSION
from lightning_agent.session.version import AGENT_VERSION
from lightning_agent.state.outbox import Outbox

SUPERVISOR_LIMIT_S = 5.0
"""A join does not wait longer for the supervisor; a later report tells the rest."""

_SIOCGIFADDR = 0x8915


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporter:
    """Makes the join report and the reports of changes; reactor thread only.

    :param audit_head: returns the newest head of the cloud's audit, ``None`` before the first
    :param local_ip: returns the board's address in the session, ``None`` without one
    :param procedures: returns the names of what the board can be asked for
    """

    link: Link
    keeper: Keeper
    outbox: Outbox
    audit_head: Callable[[], str | None]
    local_ip: Callable[[], str | None]
    procedures: Callable[[], list[str]]

    async def join(self) -> Join:
        """Say everything; waits a little for the supervisor."""
        await self.link.wait_connected(SUPERVISOR_LIMIT_S)
        return Join(
            protocol=PROTOCOL_VERSION,
            agent_version=AGENT_VERSION,
            level=self.link.level,
            capabilities=self.capabilities(),
            connectivity=connectivity(self.local_ip()),
            plugins=await self.keeper.list_actual(),
            audit_head=self.audit_head(),
        )

    async def report(self) -> Report:
        """Say what changes: the plugins and the level of confinement."""
        return Report(
            plugins=await self.keeper.list_actual(),
            capabilities=self.capabilities(),
            level=self.link.level,
        )

    async def state(self) -> AgentState:
        """Answer ``agent.state``."""
        return AgentState(join=await self.join(), unconfirmed=self.outbox.list_unconfirmed())

    def capabilities(self) -> dict[str, Any]:
        """Return what the board can do, JSON-ready."""
        return {
            "procedures": self.procedures(),
            "extras": {extra: not missing(extra) for extra in EXTRAS},
            "machine": platform.machine(),
            "system": platform.system(),
            "python": platform.python_version(),
            "processors": os.cpu_count() or 1,
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "hostname": socket.gethostname(),
        }


def connectivity(local_ip: str | None) -> dict[str, Any]:
    """Return which interface the board is reached by, in upstream's words.

    ``mac`` is its hardware address; ``mac_addr`` is the same, as other clients
    spell it. Fields are ``None`` where the system does not say.
    """
    iface = find_interface(local_ip) if local_ip else None
    mac = None
    if iface is not None:
        with contextlib.suppress(OSError):
            mac = Path("/sys/class/net", iface, "address").read_text().strip() or None
    return {"iface": iface, "local_ip": local_ip, "mac": mac, "mac_addr": mac}


def find_interface(address: str) -> str | None:
    """Return the interface that has this IPv4 address, ``None`` when none has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            with contextlib.suppress(OSError):
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)
                if socket.inet_ntoa(answer[20:24]) == address:
                    return name
    return None
