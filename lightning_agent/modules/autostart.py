"""Plugins that should run: started with the supervisor, and again when they end.

What ended by itself is told to the cloud. Only plugins injected with autostart
(``onboot``) are started again, after a wait that doubles; the others stay ended.
Works without the cloud, from the desired state on disk. Reactor thread only.
"""

from __future__ import annotations

import logging
from typing import Any

from lightning_agent.errors import AlreadyRunning, Error, LeaseOver, LeaseRefused
from lightning_agent.modules.keeper import Keeper
from lightning_agent.modules.link import Link
from lightning_agent.protocol import names
from lightning_agent.state.store import Store
from lightning_agent.waiting import in_background

LOG = logging.getLogger(__name__)

RESTART_S = (1.0, 300.0)
"""First and longest wait before a plugin is started again; doubles."""
HEALTHY_S = 60.0
"""A plugin that ran this long begins with the first wait again."""


class Autostart:
    """Starts what should run.

    :param reactor: gives time and timers
    """

    def __init__(self, reactor: Any, *, keeper: Keeper, link: Link, store: Store) -> None:
        self._reactor = reactor
        self._keeper = keeper
        self._link = link
        self._store = store
        self._waits: dict[str, float] = {}
        self._started_at: dict[str, float] = {}
        self._timers: dict[str, Any] = {}
        self._stopping = False

    def stop(self) -> None:
        """Start nothing any more."""
        self._stopping = True
        for timer in self._timers.values():
            if timer.active():
                timer.cancel()

    def connected(self) -> None:
        """A supervisor is there: start what should run in it."""
        in_background(self._restore(), "autostart")

    def on_event(self, event: dict[str, Any]) -> None:
        """Take an event of the supervisor."""
        plugin = event.get("plugin")
        if event.get("event") == "exited" and isinstance(plugin, str):
            in_background(self._after_exit(plugin, cause_of(event)), "autostart")

    async def _restore(self) -> None:
        """Start what should run; in a supervisor known before, settle what ended meanwhile."""
        mark = self._link.mark
        fresh = mark != self._store.supervisor
        try:
            running = await self._keeper.list_running()
        except Error as error:
            LOG.warning("plugins cannot be restored: %s", error)
            return
        for plugin in self._store.desired.values():
            if plugin.callable or plugin.plugin in running:
                continue
            if fresh and (plugin.running or plugin.onboot):
                await self._start(plugin.plugin)
            elif plugin.running and plugin.plugin not in self._timers:
                await self._settle_missed(plugin.plugin)
        await self._store.set_supervisor(mark)
        self._keeper.on_change()

    async def _settle_missed(self, plugin: str) -> None:
        """Note the end of a plugin that ended while no agent was there."""
        try:
            status = await self._keeper.status(plugin)
        except Error as error:
            LOG.warning("plugin %s: how it ended is not known: %s", plugin, error)
            return
        if not status.get("alive"):
            await self._after_exit(plugin, cause_of(status.get("exit") or {}))

    async def _after_exit(self, plugin: str, cause: str) -> None:
        try:
            desired = await self._keeper.exited(plugin, cause)
        except Error as error:
            LOG.warning("plugin %s: its end could not be settled: %s", plugin, error)
            return
        if desired is None:
            return
        LOG.warning("plugin %s ended by itself: %s", plugin, cause)
        if desired.onboot and cause != names.LEASE_EXPIRED:
            self._start_later(plugin)

    def _start_later(self, plugin: str) -> None:
        if plugin in self._timers or self._stopping:
            return
        started_at = self._started_at.get(plugin)
        if started_at is not None and self._reactor.seconds() - started_at >= HEALTHY_S:
            self._waits.pop(plugin, None)
        wait_s = self._waits.get(plugin, RESTART_S[0])
        self._waits[plugin] = min(wait_s * 2, RESTART_S[1])
        LOG.info("plugin %s: started again in %.0f s", plugin, wait_s)
        self._timers[plugin] = self._reactor.callLater(wait_s, self._start_again, plugin)

    def _start_again(self, plugin: str) -> None:
        self._timers.pop(plugin, None)
        in_background(self._start_if_wanted(plugin), "autostart")

    async def _start_if_wanted(self, plugin: str) -> None:
        desired = self._store.find_desired(plugin)
        if desired is not None and desired.running and not self._stopping:
            await self._start(plugin)

    async def _start(self, plugin: str) -> None:
        self._started_at[plugin] = self._reactor.seconds()
        try:
            await self._keeper.start(plugin, None, operation="")
        except AlreadyRunning:
            LOG.debug("plugin %s runs already", plugin)
        except (LeaseOver, LeaseRefused) as error:
            # only the cloud can change that, and tells at the next join
            LOG.warning("plugin %s is not started: %s", plugin, error)
        except Error as error:
            LOG.warning("plugin %s cannot be started: %s", plugin, error)
            self._start_later(plugin)


def cause_of(end: dict[str, Any]) -> str:
    """Return one line on how a plugin ended, from the supervisor's words."""
    if end.get("cause"):
        return str(end["cause"])[:200]
    if end.get("signal"):
        return f"killed by signal {end['signal']}"
    if end.get("code") is not None:
        return f"exited with code {end['code']}"
    return "ended for an unknown reason"
