"""What the agent's unit tests put in the place of reactor, disk, supervisor and cloud."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from lightning_agent.errors import (
    AlreadyRunning,
    Error,
    LeaseOver,
    PluginNotInstalled,
    SupervisorUnavailable,
)
from lightning_agent.protocol.messages import OperationCall, PluginDesired

BOARD = "33333333-3333-4333-8333-333333333333"
"""The board whose agent is tested."""


def begin(work: Coroutine[Any, Any, Any]) -> Deferred[Any]:
    """Start a coroutine; what it raises stays in the Deferred, silently."""
    going: Deferred[Any] = Deferred.fromCoroutine(work)
    going.addErrback(lambda failure: setattr(going, "broke", failure.value))
    return going


def result_of(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that must end at once; return or raise what it does."""
    outcome: list[Any] = []
    Deferred.fromCoroutine(work).addBoth(outcome.append)
    assert outcome, "it has not ended"
    if hasattr(outcome[0], "raiseException"):
        outcome[0].raiseException()
    return outcome[0]


def an_order(action: str = "device.echo", **fields: Any) -> OperationCall:
    """Return an order with a new operation."""
    values: dict[str, Any] = {
        "operation": str(uuid.uuid4()),
        "request": str(uuid.uuid4()),
        "action": action,
        "project": "p",
        "user": "u",
        "remaining_s": 10.0,
    }
    return OperationCall(**{**values, **fields})


def a_plugin(content: bytes = b"1", **fields: Any) -> PluginDesired:
    """Return a desired plugin whose bundle is this content."""
    values: dict[str, Any] = {
        "plugin": str(uuid.uuid4()),
        "name": "p",
        "digest": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "format": "py",
        "callable": False,
        "onboot": False,
        "url": "http://cloud.example/blobs/1",
        "token": "t",
    }
    return PluginDesired(**{**values, **fields})


class FakeLink:
    """A supervisor in memory, behind the interface of the real link."""

    def __init__(self) -> None:
        self.installed: dict[str, set[str]] = {}
        self.alive: dict[str, dict[str, Any]] = {}
        self.exits: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.failing: dict[str, Error] = {}
        self.result: Any = 42
        self.mark = "1 now"
        self.level = "standard"
        self.hello: dict[str, Any] | None = {"version": "2"}
        self.leases: dict[str, Any] = {}
        self.away = False
        self.time_s = 0.0
        self.last: dict[str, Any] = {}

    async def wait_connected(self, limit_s: float) -> bool:
        """Say whether it is there."""
        return not self.away

    async def request(self, method: str, *, limit_s: float = 10.0, **arguments: Any) -> Any:
        """Answer as the supervisor does."""
        if self.away:
            raise SupervisorUnavailable("away")
        self.asked.append(method)
        self.last = arguments
        if method in self.failing:
            raise self.failing[method]
        return getattr(self, f"do_{method}")(**arguments)

    def do_installed(self) -> Any:
        """List versions."""
        return {
            "plugins": [
                {"plugin": plugin, "digest": digest}
                for plugin, digests in self.installed.items()
                for digest in digests
            ]
        }

    def do_running(self) -> Any:
        """List what runs."""
        return {"plugins": list(self.alive.values())}

    def do_install(self, plugin: str, digest: str, **_: Any) -> Any:
        """Install a version."""
        self.installed.setdefault(plugin, set()).add(digest)
        return {"installed": True}

    def do_uninstall(self, plugin: str) -> Any:
        """Remove all versions."""
        self.alive.pop(plugin, None)
        return {"removed": self.installed.pop(plugin, None) is not None}

    def do_start(
        self, plugin: str, digest: str, parameters: Any, lease: Any = None, **_: Any
    ) -> Any:
        """Start a version."""
        if digest not in self.installed.get(plugin, ()):
            raise PluginNotInstalled("not there")
        if plugin in self.alive:
            raise AlreadyRunning("it runs")
        if lease is not None and lease["expires_s"] <= self.time_s:
            raise LeaseOver("it is over")
        self.leases[plugin] = lease
        self.alive[plugin] = {
            "plugin": plugin,
            "digest": digest,
            "pid": 100 + len(self.asked),
            "started_at": "now",
            "parameters": parameters,
            "lease_s": None if lease is None else lease["expires_s"] - self.time_s,
        }
        return {"pid": self.alive[plugin]["pid"], "started_at": "now"}

    def do_stop(self, plugin: str, delay_s: float) -> Any:
        """Stop it."""
        return {"stopped": self.alive.pop(plugin, None) is not None}

    def do_end(self, plugin: str, cause: str) -> Any:
        """Kill it."""
        self.exits[plugin] = {"cause": cause}
        return self.do_stop(plugin, 0.0)

    def do_lease(self, plugin: str, lease: Any) -> Any:
        """Hold it to a lease."""
        self.leases[plugin] = lease
        return {"held": plugin in self.alive}

    def do_status(self, plugin: str) -> Any:
        """Say how it is."""
        return {"alive": plugin in self.alive, "exit": self.exits.get(plugin)}

    def do_call(self, **_: Any) -> Any:
        """Run it."""
        return {"result": self.result, "logs": []}

    def do_logs(self, plugin: str, lines: int) -> Any:
        """Return what it wrote."""
        return {"lines": [{"time": "now", "stream": "out", "text": "x"}], "dropped": 0}


class FakePower:
    """What may be done with the agent, noted and not done."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def flush(self) -> None:
        """Note it."""
        self.done.append("flush")

    async def restart(self) -> None:
        """Note it."""
        self.done.append("restart")

    async def drop_identity(self) -> None:
        """Note it."""
        self.done.append("drop_identity")


class FakeFetcher:
    """Fetches nothing; may be told to fail."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self.failing: Error | None = None

    async def fetch(self, desired: PluginDesired) -> Path:
        """Return a path."""
        self.fetched.append(desired.plugin)
        if self.failing is not None:
            raise self.failing
        return Path("/nowhere") / desired.digest

    def discard(self, path: Path) -> None:
        """Nothing is there."""
