"""Which started plugins may run until when; ends them on time.

The agent verifies the cloud's signature and hands over when a lease was issued
and when it ends. It is kept here, since here it holds while the agent is dead,
the board offline, and the wall clock wrong. Loop's thread only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from lightning_agent.errors import LeaseOver
from lightning_agent.sandbox.runner import Loop, Timer
from lightning_agent.supervisor.trusted import TrustedTime

LOG = logging.getLogger(__name__)

LOOK_S = 5.0
"""How often the time is looked at while a lease is held: the loop's timers stand
still while the board sleeps, the trusted time does not."""

KEEP_S = 30.0
"""How often the time is written down while a lease is held: a reboot gives a
plugin at most this much more. Chosen here, for the sake of memory cards."""

EXPIRED = "lease_expired"
"""Cause of an end by a lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Until when something may run, seconds since 1970.

    :param fresh: it has just come from the cloud
    """

    issued_s: float
    expires_s: float
    fresh: bool = False


class Leases:
    """The leases of started plugins.

    :param end: kills a started plugin, with a cause
    """

    def __init__(self, loop: Loop, time: TrustedTime, end: Callable[[str, str], None]) -> None:
        self._loop = loop
        self._time = time
        self._end = end
        self._held: dict[str, float] = {}
        self._timer: Timer | None = None
        self._kept_s = float("-inf")

    def learn(self, lease: Lease) -> None:
        """Take the time a lease was issued at."""
        self._time.learn(lease.issued_s, fresh=lease.fresh)

    def check(self, lease: Lease) -> None:
        """Let something begin under a lease that is not over.

        :raises LeaseOver: it is
        """
        self.learn(lease)
        if lease.expires_s <= self._time.now():
            raise LeaseOver("the lease under which it may run is over; the cloud gives a new one")

    def hold(self, plugin: str, lease: Lease) -> None:
        """Hold a started plugin to a lease, in place of an earlier one."""
        self.learn(lease)
        self._held[plugin] = lease.expires_s
        self._look()

    def forget(self, plugin: str) -> None:
        """A plugin ended, or may run without a lease."""
        self._held.pop(plugin, None)

    def remaining_s(self, plugin: str) -> float | None:
        """Return seconds until a plugin is ended, ``None`` when it has no lease."""
        expires_s = self._held.get(plugin)
        return None if expires_s is None else max(0.0, expires_s - self._time.now())

    def _look(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._time.now()
        for plugin in [name for name, expires_s in self._held.items() if expires_s <= now]:
            LOG.info("plugin %s: its lease is over", plugin)
            del self._held[plugin]
            self._end(plugin, EXPIRED)
        if not self._held:
            return
        if not 0 <= now - self._kept_s < KEEP_S:
            self._kept_s = now
            self._time.keep()
        wait_s = min(LOOK_S, min(self._held.values()) - now)
        self._timer = self._loop.later(max(wait_s, 0.01), self._look)
