"""What the agent must remember about sessions and plugins.

``session.json``  the retry window the cloud told
``plugins.json``  the desired plugins, how plugins ended that should run, and
                  which supervisor they were last restored in

Held in memory, written through as whole files, see :mod:`state.files`. Tokens
are not stored: the cloud gives new ones at every join.
"""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning_agent.errors import StorageFailed
from lightning_agent.protocol.errors import BadMessage
from lightning_agent.protocol.messages import PluginDesired
from lightning_agent.state.disk import Disk
from lightning_agent.state.files import read_json, write_json

LOG = logging.getLogger(__name__)

SESSION_FILE = "session.json"
PLUGINS_FILE = "plugins.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a plugin ended that had been started; ``at`` is ISO 8601 in UTC or empty."""

    digest: str
    cause: str
    at: str = ""


@dataclass(slots=True)
class _Plugins:
    desired: dict[str, PluginDesired] = field(default_factory=dict)
    ended: dict[str, Ended] = field(default_factory=dict)
    supervisor: str = ""


class Store:
    """The agent's memory on disk; reactor thread only, writes in the disk's thread."""

    def __init__(self, state_dir: Path, disk: Disk) -> None:
        self._disk = disk
        self._session_path = state_dir / SESSION_FILE
        self._plugins_path = state_dir / PLUGINS_FILE
        self._retry_window_s = _read_window(self._session_path)
        self._plugins = _read_plugins(self._plugins_path)

    @property
    def disk(self) -> Disk:
        """What blocking work on the state directory is given to."""
        return self._disk

    @property
    def retry_window_s(self) -> float | None:
        """The window the cloud told at the last join, s; ``None`` before the first."""
        return self._retry_window_s

    async def set_retry_window(self, window_s: float) -> None:
        """Remember the window, s."""
        if window_s != self._retry_window_s:
            self._retry_window_s = window_s
            path = self._session_path
            await self._disk.run(lambda: write_json(path, {"retry_window_s": window_s}))

    @property
    def desired(self) -> dict[str, PluginDesired]:
        """A copy of the desired plugins, by uuid."""
        return dict(self._plugins.desired)

    def find_desired(self, plugin: str) -> PluginDesired | None:
        """Return what is wanted of one plugin, ``None`` when it is not wanted."""
        return self._plugins.desired.get(plugin)

    @property
    def ended(self) -> dict[str, Ended]:
        """A copy of how plugins ended by themselves, by uuid."""
        return dict(self._plugins.ended)

    @property
    def supervisor(self) -> str:
        """Which start of the supervisor the plugins were last restored in."""
        return self._plugins.supervisor

    async def set_desired(self, plugin: PluginDesired) -> None:
        """Remember what is wanted of one plugin."""
        self._plugins.desired[plugin.plugin] = plugin
        await self._write()

    async def set_running(
        self,
        plugin: str,
        running: bool,
        parameters: dict[str, Any] | None = None,
        *,
        lease: str | None = None,
    ) -> None:
        """Remember whether a desired plugin should run; unknown plugins are ignored.

        :param parameters: ``None`` keeps those of before
        :param lease: with which it runs, ``None`` for as long as it is wanted
        """
        known = self._plugins.desired.get(plugin)
        if running:
            self._plugins.ended.pop(plugin, None)
        if known is not None:
            self._plugins.desired[plugin] = dataclasses.replace(
                known,
                running=running,
                parameters=known.parameters if parameters is None else parameters,
                lease=lease if running else known.lease,
            )
        await self._write()

    async def set_lease(self, plugin: str, lease: str) -> None:
        """Remember a renewed lease of a desired plugin."""
        known = self._plugins.desired.get(plugin)
        if known is not None:
            self._plugins.desired[plugin] = dataclasses.replace(known, lease=lease)
            await self._write()

    async def set_over(self, plugin: str) -> None:
        """Remember that a plugin may not run any more, until the cloud says otherwise."""
        known = self._plugins.desired.get(plugin)
        if known is not None:
            self._plugins.desired[plugin] = dataclasses.replace(
                known, running=False, onboot=False, lease=None
            )
            await self._write()

    async def set_ended(self, plugin: str, ended: Ended, *, keep_running: bool) -> None:
        """Remember that a plugin ended by itself.

        :param keep_running: it shall be started again
        """
        self._plugins.ended[plugin] = ended
        known = self._plugins.desired.get(plugin)
        if known is not None:
            self._plugins.desired[plugin] = dataclasses.replace(known, running=keep_running)
        await self._write()

    async def forget(self, plugin: str) -> None:
        """Forget a plugin."""
        self._plugins.desired.pop(plugin, None)
        self._plugins.ended.pop(plugin, None)
        await self._write()

    async def replace_desired(self, plugins: list[PluginDesired]) -> None:
        """Take the cloud's list for ours; endings of other plugins are forgotten."""
        self._plugins.desired = {plugin.plugin: plugin for plugin in plugins}
        self._plugins.ended = {
            plugin: ended
            for plugin, ended in self._plugins.ended.items()
            if plugin in self._plugins.desired
        }
        await self._write()

    async def set_supervisor(self, mark: str) -> None:
        """Remember which start of the supervisor holds the restored plugins."""
        if mark != self._plugins.supervisor:
            self._plugins.supervisor = mark
            await self._write()

    async def _write(self) -> None:
        stored = {
            "desired": [
                dataclasses.replace(plugin, token="").to_wire()
                for plugin in self._plugins.desired.values()
            ],
            "ended": {
                plugin: dataclasses.asdict(ended) for plugin, ended in self._plugins.ended.items()
            },
            "supervisor": self._plugins.supervisor,
        }
        path = self._plugins_path
        await self._disk.run(lambda: write_json(path, stored))


def _read_window(path: Path) -> float | None:
    try:
        stored = read_json(path)
        return None if stored is None else min(max(float(stored["retry_window_s"]), 0.0), 3600.0)
    except (StorageFailed, KeyError, TypeError, ValueError):
        LOG.warning("%s cannot be used; the cloud tells the window at the next join", path)
        return None


def _read_plugins(path: Path) -> _Plugins:
    """Read what is desired; a damaged file counts as none, for the cloud tells it anew."""
    try:
        stored = read_json(path)
        if stored is None:
            return _Plugins()
        desired = [PluginDesired.from_wire(wire) for wire in stored["desired"]]
        return _Plugins(
            desired={plugin.plugin: plugin for plugin in desired},
            ended={plugin: Ended(**wire) for plugin, wire in stored["ended"].items()},
            supervisor=str(stored["supervisor"]),
        )
    except (StorageFailed, BadMessage, AttributeError, KeyError, TypeError) as error:
        LOG.error("%s cannot be used (%s); the cloud tells it anew at the next join", path, error)
        return _Plugins()
