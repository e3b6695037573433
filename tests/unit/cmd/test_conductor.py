"""What only one of several conductors does, asks who leads."""

from __future__ import annotations

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from iotronic_mec.cmd import conductor, service

SECRET = b"s" * 32


class Told:
    """Notes what the process made, and when."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.made: dict[str, Any] = {}


class Stop:
    """A listener that is told to end as soon as it begins."""

    def __init__(self, handlers: dict[int, Any]) -> None:
        self._handlers = handlers
        self.started = SimpleNamespace(wait=lambda limit_s: True)

    def start(self) -> None:
        """Be ended."""
        self._handlers[signal.SIGTERM](signal.SIGTERM, None)

    def stop(self, limit_s: float) -> None:
        """Do nothing more."""


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Told:
    """Run a conductor that does not lead to its end, without a bus."""
    told = Told()
    handlers: dict[int, Any] = {}

    class Follower:
        """A conductor among others that does not lead."""

        def __init__(self, database: Any, clock: Any, process: str) -> None:
            told.made["process"] = process

        def leads(self) -> bool:
            """Say that another one does."""
            return False

        def start(self) -> None:
            """Take part."""
            told.steps.append("leader starts")

        def stop(self) -> None:
            """Take no more part."""
            told.steps.append("leader stops")

    def noting(name: str, kind: type[Any]) -> Any:
        def make(*arguments: Any) -> Any:
            told.made[name] = kind(*arguments)
            return told.made[name]

        return make

    settings = conductor.core.load_settings(
        tmp_path, public_url="http://127.0.0.1:1", content_url="http://127.0.0.1:2", wamp_url=""
    )
    conf = SimpleNamespace(
        rpc=SimpleNamespace(transport_url="", workers=4), metrics=SimpleNamespace(port=0)
    )
    given = service.Service(
        program="test",
        conf=conf,
        settings=settings,
        folder=SimpleNamespace(path=tmp_path),  # type: ignore[arg-type]
        secret=SECRET,
    )
    monkeypatch.setattr(conductor, "Leader", Follower)
    monkeypatch.setattr(conductor, "Transport", lambda conf, url: None)
    monkeypatch.setattr(conductor, "Listener", lambda *_, **__: Stop(handlers))
    monkeypatch.setattr(conductor, "Relay", noting("relay", conductor.Relay))
    monkeypatch.setattr(conductor, "PeriodicRunner", noting("periodic", conductor.PeriodicRunner))
    monkeypatch.setattr(conductor.signal, "signal", handlers.__setitem__)
    monkeypatch.setattr(conductor.gc, "freeze", lambda: None)
    monkeypatch.setattr(conductor.gc, "set_threshold", lambda objects: None)
    monkeypatch.setattr(conductor.sys, "setswitchinterval", lambda seconds: None)
    monkeypatch.setattr(conductor.service, "leave", lambda code: None)
    conductor.run(given)
    return told


def test_a_conductor_that_does_not_lead_leaves_the_work_of_one(told: Told) -> None:
    """Periodic work and events are the leader's; every conductor takes part in choosing it."""
    assert told.steps == ["leader starts", "leader stops"]
    assert told.made["periodic"]._leads() is False
    assert told.made["relay"]._leads() is False
    assert told.made["process"]
