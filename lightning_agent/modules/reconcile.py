"""From what is on the board to what the cloud wants there.

The cloud's list wins over ours. A step that fails is logged and tried again
with back-off; the others go on. Reactor thread only.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from lightning_agent.errors import AlreadyRunning, Error
from lightning_agent.modules.keeper import Keeper, NotRunning
from lightning_agent.protocol.messages import PluginDesired
from lightning_agent.state.store import Store
from lightning_agent.waiting import in_background

LOG = logging.getLogger(__name__)

RETRY_S = (5.0, 300.0)
"""First and longest wait before failed steps are tried again; doubles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The steps from actual to desired, by plugin uuid."""

    remove: list[str]
    install: list[PluginDesired]
    start: list[PluginDesired]
    stop: list[str]

    @property
    def is_empty(self) -> bool:
        """Whether everything is as it should be."""
        return not (self.remove or self.install or self.start or self.stop)

    def __str__(self) -> str:
        parts = [
            ("remove", self.remove),
            ("install", [plugin.plugin for plugin in self.install]),
            ("start", [plugin.plugin for plugin in self.start]),
            ("stop", self.stop),
        ]
        return "; ".join(f"{what} {', '.join(which)}" for what, which in parts if which)


def plan(
    desired: dict[str, PluginDesired], installed: dict[str, set[str]], running: dict[str, str]
) -> Plan:
    """Compare and return the steps.

    An autostart plugin that runs is left running. Installing a version of a
    plugin that should run also starts it.

    :param installed: digests on the board by plugin
    :param running: digest of each running plugin
    """
    install = [
        plugin
        for plugin in desired.values()
        if plugin.digest not in installed.get(plugin.plugin, ())
        or running.get(plugin.plugin, plugin.digest) != plugin.digest
    ]
    installing = {plugin.plugin for plugin in install}
    return Plan(
        remove=sorted((installed.keys() | running.keys()) - desired.keys()),
        install=install,
        start=[
            plugin
            for plugin in desired.values()
            if plugin.running
            and not plugin.callable
            and plugin.plugin not in running
            and plugin.plugin not in installing
        ],
        stop=[
            name
            for name in running
            if name in desired and not desired[name].running and not desired[name].onboot
        ],
    )


class Reconciler:
    """Keeps the board at its desired state.

    Set ``ask_again`` to what asks the cloud for the desired state anew, with
    fresh tokens for the bundles.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        board: str,
        keeper: Keeper,
        store: Store,
        randomness: random.Random,
    ) -> None:
        self._reactor = reactor
        self._board = board
        self._keeper = keeper
        self._store = store
        self._random = randomness
        self._retry: Any = None
        self._retry_s = RETRY_S[0]
        self._busy = False
        self._again = False
        self._stopping = False
        self.ask_again: Callable[[], None] = lambda: None

    def stop(self) -> None:
        """Start nothing any more."""
        self._stopping = True
        if self._retry is not None and self._retry.active():
            self._retry.cancel()

    async def adopt(self, desired: list[PluginDesired], asked_at_s: float) -> None:
        """Take the cloud's list for ours, then begin to make it true.

        :param asked_at_s: monotonic time before the cloud was asked; plugins that an
            order changed since are left as the order left them
        """
        kept = {
            name: plugin
            for name, plugin in self._store.desired.items()
            if self._keeper.touched_since(name, asked_at_s)
        }
        wanted = {
            plugin.plugin: plugin
            for plugin in desired
            if not self._keeper.touched_since(plugin.plugin, asked_at_s)
        }
        await self._store.replace_desired([*wanted.values(), *kept.values()])
        in_background(self._reconcile(), "reconciling")

    async def _reconcile(self) -> None:
        if self._busy:
            self._again = True
            return
        self._busy = True
        try:
            complete = await self._one_pass()
        finally:
            self._busy = False
        if self._again:
            self._again = False
            await self._reconcile()
        elif complete:
            self._retry_s = RETRY_S[0]
        elif not self._stopping:
            self._try_later()

    def _try_later(self) -> None:
        if self._retry is not None and self._retry.active():
            return
        delay_s = self._retry_s * self._random.uniform(0.7, 1.0)
        self._retry_s = min(self._retry_s * 2, RETRY_S[1])
        LOG.info("board %s: trying again in %.0f s", self._board, delay_s)
        self._retry = self._reactor.callLater(delay_s, self._retry_now)

    def _retry_now(self) -> None:
        self.ask_again()
        in_background(self._reconcile(), "reconciling")

    async def _one_pass(self) -> bool:
        """Do each step once; return whether all succeeded."""
        try:
            installed = await self._keeper.list_installed()
            running = await self._keeper.list_running()
        except Error as error:
            LOG.warning("board %s: plugins cannot be compared: %s", self._board, error)
            return False
        digests = {name: str(entry["digest"]) for name, entry in running.items()}
        steps = plan(self._store.desired, installed, digests)
        if steps.is_empty:
            return True
        LOG.info("board %s: differs from the desired state: %s", self._board, steps)
        # an order may have brought it since it was compared
        remove = self._keeper.remove_unwanted
        done = [await self._step("remove", name, remove) for name in steps.remove]
        done += [await self._step("stop", name, self._stop) for name in steps.stop]
        done += [await self._install(plugin) for plugin in steps.install]
        done += [await self._step("start", p.plugin, self._start) for p in steps.start]
        return all(done)

    async def _install(self, desired: PluginDesired) -> bool:
        async def inject(_: str) -> None:
            current = self._store.find_desired(desired.plugin)
            if current is not None and current.digest == desired.digest:
                await self._keeper.inject(current)

        return await self._step("install", desired.plugin, inject)

    async def _stop(self, plugin: str) -> None:
        try:
            await self._keeper.stop(plugin, 0.0)
        except NotRunning:
            LOG.debug("plugin %s ended before it was stopped", plugin)

    async def _start(self, plugin: str) -> None:
        try:
            await self._keeper.start(plugin, None, operation="")
        except AlreadyRunning:
            LOG.debug("plugin %s runs already", plugin)

    async def _step(self, what: str, plugin: str, step: Callable[[str], Awaitable[None]]) -> bool:
        try:
            await step(plugin)
        except Error as error:
            LOG.warning("board %s: cannot %s plugin %s: %s", self._board, what, plugin, error)
            return False
        return True
