"""The supervisor's socket from the agent's side, without a supervisor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.error import ConnectError, ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from lightning_agent.errors import PluginTimeout, SupervisorTimeout, SupervisorUnavailable
from lightning_agent.modules.link import Link
from lightning_agent.supervisor.frames import Unpacker, pack
from tests.agent.stand_ins import begin


class FakeProcess:
    """A supervisor that was started."""

    def __init__(self) -> None:
        self.code: int | None = None

    def poll(self) -> int | None:
        """Return how it ended."""
        return self.code


class Bench:
    """A link whose other side is the test."""

    def __init__(self, folder: Path) -> None:
        self.reactor = MemoryReactorClock()
        self.started: list[FakeProcess] = []
        self.events: list[Any] = []
        self.connections = 0
        spawn: Any = self._spawn
        self.link = Link(self.reactor, folder, spawn=spawn)
        self.link.on_event = self.events.append
        self.link.on_connected = self._connected
        self.link.start()

    @property
    def attempts(self) -> int:
        """How often it tried to connect."""
        return len(self.reactor.unixClients)

    def refuse(self) -> None:
        """Refuse the latest attempt."""
        factory = self.reactor.unixClients[-1][1]
        factory.clientConnectionFailed(None, Failure(ConnectError()))

    def accept(self, level: str = "standard", mark: int = 1) -> None:
        """Accept the latest attempt and say hello."""
        self.protocol = self.reactor.unixClients[-1][1].buildProtocol(None)
        self.transport = StringTransport()
        self.unpacker = Unpacker()
        self.protocol.makeConnection(self.transport)
        (hello,) = self.asked()
        assert (hello["m"], hello["a"]) == ("hello", {"protocol": 1})
        self.say({"id": hello["id"], "r": {"pid": mark, "started_at": "now", "level": level}})

    def asked(self) -> list[dict[str, Any]]:
        """Return the requests since the last look."""
        sent = self.unpacker.feed(self.transport.value())
        self.transport.clear()
        return sent

    def say(self, message: dict[str, Any]) -> None:
        """Send a message to the link."""
        self.protocol.dataReceived(pack(message))

    def lose(self) -> None:
        """Break the connection."""
        self.protocol.connectionLost(Failure(ConnectionDone()))

    def _spawn(self, state_dir: Path) -> FakeProcess:
        self.started.append(FakeProcess())
        return self.started[-1]

    def _connected(self) -> None:
        self.connections += 1


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Give a link that has begun to connect."""
    return Bench(tmp_path)


def test_running_supervisor_is_used(bench: Bench) -> None:
    """A supervisor that listens is not started again."""
    bench.accept()

    assert bench.started == []
    assert (bench.link.level, bench.link.mark, bench.connections) == ("standard", "1 now", 1)


def test_absent_supervisor_is_started_once(bench: Bench) -> None:
    """When nobody listens one is started, and waited for."""
    for _ in range(5):
        bench.refuse()
        bench.reactor.advance(2)
    bench.accept()

    assert len(bench.started) == 1
    assert bench.attempts == 6


def test_supervisor_that_ended_is_started_again(bench: Bench) -> None:
    """One that died before it listened is replaced, not at once."""
    bench.refuse()
    bench.started[0].code = 1
    bench.reactor.advance(0.05)
    bench.refuse()
    before = len(bench.started)
    for _ in range(3):
        bench.reactor.advance(2)
        bench.refuse()

    assert before == 1
    assert len(bench.started) == 2


def test_answers_go_to_their_requests(bench: Bench) -> None:
    """Answers may come in any order; errors keep their class and details."""
    bench.accept()
    first = begin(bench.link.request("installed"))
    second = begin(bench.link.request("call", plugin="p"))
    one, two = bench.asked()

    bench.say({"id": two["id"], "e": {"code": "plugin_timeout", "message": "m", "details": {}}})
    bench.say({"id": one["id"], "r": {"plugins": []}})

    assert two["a"] == {"plugin": "p"}
    assert first.result == {"plugins": []}
    assert isinstance(second.broke, PluginTimeout)  # type: ignore[attr-defined]


def test_request_without_answer_ends_at_its_limit(bench: Bench) -> None:
    """A supervisor that hangs does not hold an order for ever; a late answer is ignored."""
    bench.accept()
    waiting = begin(bench.link.request("running", limit_s=3))
    (request,) = bench.asked()

    bench.reactor.advance(3)
    bench.say({"id": request["id"], "r": {}})

    assert isinstance(waiting.broke, SupervisorTimeout)  # type: ignore[attr-defined]


def test_lost_connection_ends_requests_and_is_made_again(bench: Bench) -> None:
    """What was asked fails at once; a new supervisor has another mark."""
    bench.accept()
    waiting = begin(bench.link.request("running"))

    bench.lose()
    bench.accept(mark=2)

    assert isinstance(waiting.broke, SupervisorUnavailable)  # type: ignore[attr-defined]
    assert (bench.link.mark, bench.connections) == ("2 now", 2)


def test_request_waits_for_the_connection(bench: Bench) -> None:
    """A request made while connecting is sent when it can be."""
    waiting = begin(bench.link.request("running"))
    bench.accept()
    (request,) = bench.asked()

    bench.say({"id": request["id"], "r": {"plugins": []}})

    assert waiting.result == {"plugins": []}


def test_request_without_supervisor_fails_with_its_log(bench: Bench) -> None:
    """After some seconds the request says where to look."""
    waiting = begin(bench.link.request("running"))

    bench.reactor.advance(5)

    assert "supervisor.log" in str(waiting.broke)  # type: ignore[attr-defined]


def test_events_are_handed_on(bench: Bench) -> None:
    """What happens in the supervisor reaches whoever listens."""
    bench.accept()

    bench.say({"event": "exited", "plugin": "p"})

    assert bench.events == [{"event": "exited", "plugin": "p"}]


def test_nonsense_closes_the_connection(bench: Bench) -> None:
    """A stream that is no frames is closed."""
    bench.accept()

    bench.protocol.dataReceived(b"\xff" * 8)

    assert bench.transport.disconnecting


def test_stop_leaves_no_timer(bench: Bench) -> None:
    """A stopped link waits for nothing."""
    bench.refuse()

    bench.link.stop()

    assert bench.reactor.getDelayedCalls() == []
