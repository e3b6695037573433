"""The plugins of the board: desired, actual, and the way from one to the other.

Everything that changes a plugin goes through here, one change at a time for
each plugin, whether an order, the cloud's desired state or an exit asked for it.
The code itself runs below the supervisor. Reactor thread only.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from twisted.internet.defer import DeferredLock

from lightning_agent.clock import Clock, to_wire
from lightning_agent.errors import (
    AlreadyRunning,
    Error,
    PluginNotInstalled,
    SupervisorUnavailable,
)
from lightning_agent.modules.fetch import Fetcher
from lightning_agent.modules.leases import Leases
from lightning_agent.modules.link import Link
from lightning_agent.protocol import names
from lightning_agent.protocol.messages import PluginActual, PluginDesired
from lightning_agent.state.store import Ended, Store

LOG = logging.getLogger(__name__)

INSTALL_LIMIT_S = 120.0
"""For unpacking; a card writes some MB per second."""
STOP_LIMIT_S = 15.0
"""For a stop beyond its own delay: the tree is killed after 5 s."""
CALL_MARGIN_S = 2.0
"""The supervisor's answer may come this much after the plugin's deadline."""
GRANTS = {"cameras": ["default"]}
"""What a plugin may use; the cloud has no finer word on it yet."""


class PluginUnknown(Error):
    """The plugin is not on this board."""

    code = "plugin_unknown"


class NotRunning(Error):
    """The plugin is not running."""

    code = "not_running"


class WrongKind(Error):
    """Call was asked of a plugin that is to be started, or the reverse."""

    code = "wrong_kind"


class Keeper:
    """Installs, removes, starts, stops and calls plugins; knows which should run."""

    def __init__(
        self, *, link: Link, store: Store, fetcher: Fetcher, clock: Clock, leases: Leases
    ) -> None:
        self._leases = leases
        self._link = link
        self._store = store
        self._fetcher = fetcher
        self._clock = clock
        self._locks: dict[str, DeferredLock] = {}
        self._touched: dict[str, float] = {}
        self.on_change: Callable[[], None] = lambda: None
        """Called after plugins came, went, started or ended."""

    @property
    def store(self) -> Store:
        """The agent's memory of what is desired."""
        return self._store

    def touched_since(self, plugin: str, moment_s: float) -> bool:
        """Say whether an order changed this plugin after a monotonic moment."""
        return self._touched.get(plugin, float("-inf")) >= moment_s

    async def inject(self, desired: PluginDesired) -> str:
        """Bring a bundle onto the board; a plugin that runs goes on with the new one.

        :returns: ``INJECTED`` or, when another version was there, ``UPDATED``
        """
        async with self._changing(desired.plugin):
            before = self._store.find_desired(desired.plugin)
            running = await self._find_running(desired.plugin)
            if running is not None and not desired.running:
                parameters = before.parameters if before is not None else {}
                lease = None if before is None else before.lease
                desired = dataclasses.replace(
                    desired, running=True, parameters=parameters, lease=lease
                )
            await self._install(desired)
            await self._store.set_desired(desired)
            if running is not None and running["digest"] != desired.digest:
                await self._stop(desired.plugin, 0.0)
                running = None
            if desired.running and running is None and not desired.callable:
                await self._start(desired, desired.parameters, "", desired.lease)
        return "INJECTED" if before is None else "UPDATED"

    async def remove(self, plugin: str) -> None:
        """Stop a plugin and take it off the board; no error when it is not there."""
        async with self._changing(plugin):
            await self._store.forget(plugin)
            await self._link.request("uninstall", limit_s=INSTALL_LIMIT_S, plugin=plugin)

    async def remove_unwanted(self, plugin: str) -> None:
        """Remove a plugin, unless an order has brought it meanwhile."""
        async with self._changing(plugin):
            if self._store.find_desired(plugin) is None:
                await self._link.request("uninstall", limit_s=INSTALL_LIMIT_S, plugin=plugin)

    async def call(
        self, plugin: str, parameters: dict[str, Any], *, operation: str, remaining_s: float
    ) -> Any:
        """Run a callable plugin once and return its result."""
        desired = self._find(plugin)
        if not desired.callable:
            raise WrongKind("this plugin is started, not called", details={"plugin": plugin})
        deadline_s = max(remaining_s - min(0.5, remaining_s * 0.1), 0.05)
        try:
            reply = await self._link.request(
                "call",
                limit_s=remaining_s + CALL_MARGIN_S,
                plugin=plugin,
                digest=desired.digest,
                parameters=parameters,
                deadline_s=deadline_s,
                operation=operation,
                grants=GRANTS,
            )
        except PluginNotInstalled as error:
            raise PluginUnknown(error.message, details={"plugin": plugin}) from error
        return reply["result"]

    async def start(
        self,
        plugin: str,
        parameters: dict[str, Any] | None,
        *,
        operation: str,
        lease: str | None = None,
    ) -> None:
        """Start a plugin that is not callable.

        :param parameters: ``None`` takes those, and the lease, of the last start
        :param lease: fresh from the cloud
        :raises LeaseOver: its lease is over
        :raises LeaseRefused: the lease is not the cloud's
        """
        async with self._changing(plugin):
            desired = self._find(plugin)
            if desired.callable:
                raise WrongKind("this plugin is called, not started", details={"plugin": plugin})
            if parameters is None:
                await self._start(desired, desired.parameters, operation, desired.lease)
            else:
                await self._start(desired, parameters, operation, lease, fresh=True)

    async def stop(self, plugin: str, delay_s: float) -> None:
        """Stop a running plugin.

        :param delay_s: seconds the plugin is given before it is asked to stop
        """
        async with self._changing(plugin):
            self._find(plugin)
            await self._store.set_running(plugin, False)
            if not await self._stop(plugin, delay_s):
                raise NotRunning("the plugin is not running", details={"plugin": plugin})

    async def restart(
        self,
        plugin: str,
        parameters: dict[str, Any] | None,
        *,
        operation: str,
        lease: str | None = None,
    ) -> None:
        """Stop a plugin if it runs, and start it; with a lease fresh from the cloud, or none."""
        async with self._changing(plugin):
            desired = self._find(plugin)
            if desired.callable:
                raise WrongKind("this plugin is called, not started", details={"plugin": plugin})
            await self._stop(plugin, 0.0)
            given = desired.parameters if parameters is None else parameters
            await self._start(desired, given, operation, lease, fresh=True)

    async def end(self, plugin: str, cause: str) -> bool:
        """Kill a plugin that may not run any more; say whether it ran.

        It is not started again, by itself or by autostart, until the cloud wants it anew.
        """
        async with self._changing(plugin):
            await self._store.set_over(plugin)
            reply = await self._link.request(
                "end", limit_s=STOP_LIMIT_S, plugin=plugin, cause=cause
            )
            return bool(reply["stopped"])

    async def is_alive(self, plugin: str) -> bool:
        """Say whether a plugin of this board runs."""
        self._find(plugin)
        status = await self._link.request("status", plugin=plugin)
        return bool(status["alive"])

    async def list_logs(self, plugin: str, lines: int) -> dict[str, Any]:
        """Return the newest log lines of a plugin, and how many older ones were dropped."""
        self._find(plugin)
        reply = await self._link.request("logs", plugin=plugin, lines=lines)
        return {"lines": reply["lines"], "dropped": reply["dropped"]}

    async def follow_log(self, plugin: str, after: int | None, lines: int) -> dict[str, Any]:
        """Return the oldest log lines of a plugin after line ``after``; ``None``: the newest."""
        self._find(plugin)
        reply = await self._link.request("logs", plugin=plugin, lines=lines, after=after)
        return {key: reply[key] for key in ("lines", "dropped", "after", "missed")}

    async def list_installed(self) -> dict[str, set[str]]:
        """Return the digests on the board by plugin."""
        reply = await self._link.request("installed")
        installed: dict[str, set[str]] = {}
        for entry in reply["plugins"]:
            installed.setdefault(entry["plugin"], set()).add(entry["digest"])
        return installed

    async def list_running(self) -> dict[str, dict[str, Any]]:
        """Return what the supervisor says of running plugins, by plugin."""
        reply = await self._link.request("running")
        return {entry["plugin"]: entry for entry in reply["plugins"]}

    async def list_actual(self) -> list[PluginActual]:
        """Return what is on the board, for the cloud.

        Without an answer of the supervisor it is what should be there, each with
        the cause ``supervisor_unavailable``.
        """
        ended = self._store.ended
        try:
            installed = await self.list_installed()
            running = await self.list_running()
        except Error as error:
            LOG.warning("the plugins cannot be listed: %s", error)
            return [
                PluginActual(plugin=plugin, digest=desired.digest, cause=error.code)
                for plugin, desired in self._store.desired.items()
            ]
        return [
            _actual(plugin, self._shown_digest(plugin, digests), running, ended)
            for plugin, digests in sorted(installed.items())
        ]

    async def exited(self, plugin: str, cause: str) -> PluginDesired | None:
        """Note that a plugin ended; with autostart it should go on running.

        :returns: what is desired of it, ``None`` when it did not end by itself: an
            order stopped it, or has started it again
        """
        async with self._alone(plugin):
            desired = self._store.find_desired(plugin)
            if desired is None or not desired.running:
                return None
            if await self._find_running(plugin) is not None:
                return None
            ended = Ended(digest=desired.digest, cause=cause, at=to_wire(self._clock.now()))
            again = desired.onboot and cause != names.LEASE_EXPIRED
            await self._store.set_ended(plugin, ended, keep_running=again)
        self.on_change()
        return desired

    async def status(self, plugin: str) -> dict[str, Any]:
        """Return the supervisor's word on one plugin."""
        status: dict[str, Any] = await self._link.request("status", plugin=plugin)
        return status

    def _shown_digest(self, plugin: str, digests: set[str]) -> str:
        desired = self._store.find_desired(plugin)
        if desired is not None and desired.digest in digests:
            return desired.digest
        return min(digests)

    def _find(self, plugin: str) -> PluginDesired:
        desired = self._store.find_desired(plugin)
        if desired is None:
            raise PluginUnknown("the plugin is not on this board", details={"plugin": plugin})
        return desired

    async def _find_running(self, plugin: str) -> dict[str, Any] | None:
        return (await self.list_running()).get(plugin)

    async def _install(self, desired: PluginDesired) -> None:
        installed = await self.list_installed()
        if desired.digest in installed.get(desired.plugin, ()):
            return
        path = await self._fetcher.fetch(desired)
        try:
            await self._link.request(
                "install",
                limit_s=INSTALL_LIMIT_S,
                plugin=desired.plugin,
                digest=desired.digest,
                path=str(path),
                name=desired.name,
                format=desired.format,
            )
        except SupervisorUnavailable:
            raise
        except Error:
            self._fetcher.discard(path)
            raise
        self._fetcher.discard(path)

    async def _start(
        self,
        desired: PluginDesired,
        parameters: dict[str, Any],
        operation: str,
        lease: str | None,
        *,
        fresh: bool = False,
    ) -> None:
        plugin = desired.plugin
        claims = self._leases.claims(plugin, lease, fresh=fresh)
        try:
            await self._link.request(
                "start",
                plugin=plugin,
                digest=desired.digest,
                parameters=parameters,
                operation=operation,
                grants=GRANTS,
                lease=claims,
            )
        except PluginNotInstalled as error:
            raise PluginUnknown(error.message, details={"plugin": plugin}) from error
        except AlreadyRunning:
            # the one that runs keeps what it runs with
            await self._store.set_running(plugin, True, lease=desired.lease)
            raise
        await self._store.set_running(plugin, True, parameters, lease=lease)

    async def _stop(self, plugin: str, delay_s: float) -> bool:
        reply = await self._link.request(
            "stop", limit_s=delay_s + STOP_LIMIT_S, plugin=plugin, delay_s=delay_s
        )
        return bool(reply["stopped"])

    @asynccontextmanager
    async def _changing(self, plugin: str) -> AsyncIterator[None]:
        """One change of one plugin at a time; others see it as touched."""
        async with self._alone(plugin):
            self._touched[plugin] = self._clock.monotonic()
            try:
                yield
            finally:
                self._touched[plugin] = self._clock.monotonic()
                self.on_change()

    @asynccontextmanager
    async def _alone(self, plugin: str) -> AsyncIterator[None]:
        lock = self._locks.setdefault(plugin, DeferredLock())
        await lock.acquire()
        try:
            yield
        finally:
            lock.release()
            if not lock.locked and not lock.waiting:
                self._locks.pop(plugin, None)


def _actual(
    plugin: str, digest: str, running: dict[str, dict[str, Any]], ended: dict[str, Ended]
) -> PluginActual:
    alive = running.get(plugin)
    if alive is not None:
        return PluginActual(
            plugin=plugin,
            digest=alive["digest"],
            pid=alive["pid"],
            started_at=_text(alive["started_at"]),
        )
    end = ended.get(plugin)
    return PluginActual(plugin=plugin, digest=digest, cause=None if end is None else end.cause)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
