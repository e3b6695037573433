"""The reactor's end of the link to the core, on a reactor that stands still."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from iotronic_mec import errors, frames
from iotronic_mec.bridge.local import BACK_OFF_S, LINE_RETRY_S, Bridge, Link
from lightning_agent.protocol.log_lines import NOBODY, asking

Frames = Callable[[], list[dict[str, Any]]]


class Bench:
    """A bridge, and the core's end of its link."""

    def __init__(self, **options: Any) -> None:
        self.reactor = MemoryReactorClock()
        self.bridge = Bridge(
            self.reactor,  # type: ignore[arg-type]
            Path("rpc.sock"),
            name="front",
            topics=("wamp.a",),
            **{"lines": 0, **options},
        )
        self.bridge.start()
        self.link: Link
        self.wire: StringTransport

    def connect(self) -> None:
        """Let the latest attempt succeed."""
        factory = self.reactor.unixClients[-1][1]
        self.link = factory.buildProtocol(None)
        self.wire = StringTransport()
        self.link.makeConnection(self.wire)

    def refuse(self) -> None:
        """Let the latest attempt fail."""
        factory = self.reactor.unixClients[-1][1]
        factory.clientConnectionFailed(None, Failure(ConnectError()))

    def sent(self) -> list[dict[str, Any]]:
        """Return what was sent since the last look."""
        found = frames.Unpacker().feed(self.wire.value())
        self.wire.clear()
        return found

    def receive(self, **frame: Any) -> None:
        """Let a frame of the core come."""
        self.link.dataReceived(frames.pack(frame))

    def lose(self) -> None:
        """Let the link end."""
        self.link.connectionLost(Failure(ConnectError()))


@pytest.fixture
def bench() -> Bench:
    """Give a connected bridge."""
    made = Bench()
    made.connect()
    made.sent()
    return made


def outcome(waiting: Deferred[Any]) -> list[Any]:
    """Collect a Deferred's result or the exception."""
    got: list[Any] = []
    waiting.addCallbacks(got.append, lambda failure: got.append(failure.value))
    return got


def test_it_says_hello_first() -> None:
    """The core learns which topics this link serves."""
    bench = Bench()

    bench.connect()

    assert bench.sent() == [{"t": "hello", "name": "front", "topics": ["wamp.a"]}]


def test_lines() -> None:
    """Beside the link the core is offered lines; one that is lost is opened again."""
    bench = Bench(lines=2)
    bench.connect()
    attempts = bench.reactor.unixClients[-2:]
    lines = []
    for attempt in attempts:
        line, wire = attempt[1].buildProtocol(None), StringTransport()
        line.makeConnection(wire)
        lines.append((line, wire))
    before = len(bench.reactor.unixClients)

    lines[0][0].connectionLost(Failure(ConnectError()))
    bench.reactor.advance(LINE_RETRY_S)

    hello = {"t": "hello", "name": "front", "topics": ["wamp.a"], "line": True}
    assert [frames.Unpacker().feed(wire.value()) for _, wire in lines] == [[hello], [hello]]
    assert (len(bench.reactor.unixClients) - before, bench.bridge.up) == (1, True)


def test_a_line_serves_the_core() -> None:
    """A call that comes over a line is answered over it."""
    bench = Bench(lines=1)
    bench.connect()
    line, wire = bench.reactor.unixClients[-1][1].buildProtocol(None), StringTransport()
    line.makeConnection(wire)
    wire.clear()

    async def double(arguments: dict[str, Any], _: float) -> Any:
        return arguments["n"] * 2

    bench.bridge.serve("board", {"double": double})
    call = {"t": "call", "id": 7, "topic": "wamp.a", "ns": "board", "m": "double", "a": {"n": 2}}
    line.dataReceived(frames.pack(call))

    assert frames.Unpacker().feed(wire.value()) == [{"t": "answer", "id": 7, "r": 4}]


def test_watchers_hear_of_every_connection() -> None:
    """The first and each later one."""
    heard: list[bool] = []
    bench = Bench()
    bench.bridge.watch(lambda: heard.append(bench.bridge.up))

    bench.connect()
    bench.lose()
    bench.reactor.advance(BACK_OFF_S[1])
    bench.connect()

    assert heard == [True, True]


def test_a_call_is_answered(bench: Bench) -> None:
    """Namespace, method and arguments go; the result comes."""
    got = outcome(bench.bridge.call("board", "find_code", {"digest": "d"}, 5.0))
    [frame] = bench.sent()

    bench.receive(t="answer", id=frame["id"], r={"row": 1})

    assert got == [{"row": 1}]
    assert (frame["topic"], frame["ns"], frame["m"]) == ("conductor", "board", "find_code")
    assert frame["a"] == {"digest": "d"}
    assert frame["c"]["system"] is True
    assert not bench.reactor.getDelayedCalls()


def test_an_error_comes_back_as_its_class(bench: Bench) -> None:
    """By its code."""
    got = outcome(bench.bridge.call("board", "enrolled", {}, 5.0))
    [frame] = bench.sent()

    bench.receive(t="error", id=frame["id"], e=errors.CodeUnknownOrUsed("used").to_wire())

    assert isinstance(got[0], errors.CodeUnknownOrUsed)


def test_a_call_ends_at_its_limit(bench: Bench) -> None:
    """A late answer is ignored."""
    got = outcome(bench.bridge.call("board", "joined", {}, 5.0))
    [frame] = bench.sent()

    bench.reactor.advance(5.1)
    bench.receive(t="answer", id=frame["id"], r=1)

    assert [type(error) for error in got] == [errors.DeadlineExceeded]


def test_a_lost_link_fails_what_waits(bench: Bench) -> None:
    """At once, and says so."""
    got = outcome(bench.bridge.call("board", "joined", {}, 5.0))

    bench.lose()

    assert isinstance(got[0], errors.Unavailable)
    assert not bench.bridge.up


def test_without_the_core_calls_fail_and_casts_say_so() -> None:
    """Nothing is queued."""
    bench = Bench()

    got = outcome(bench.bridge.call("board", "joined", {}, 5.0))

    assert isinstance(got[0], errors.Unavailable)
    assert bench.bridge.cast("board", "refusals", {}) is False


def test_too_many_calls_are_busy() -> None:
    """The bound is on calls that wait."""
    bench = Bench(max_in_flight=2)
    bench.connect()
    for _ in range(2):
        outcome(bench.bridge.call("board", "joined", {}, 5.0))

    got = outcome(bench.bridge.call("board", "joined", {}, 5.0))

    assert isinstance(got[0], errors.Busy)


def test_a_call_over_the_frame_limit_is_too_large(bench: Bench) -> None:
    """It fails alone; the link stays."""
    got = outcome(bench.bridge.call("board", "report", {"x": "x" * 1_100_000}, 5.0))

    assert isinstance(got[0], errors.TooLarge)
    assert bench.bridge.up


def test_it_connects_again_with_longer_waits() -> None:
    """Up to the ceiling."""
    bench = Bench()
    waits = []
    for _ in range(12):
        bench.refuse()
        [retry] = bench.reactor.getDelayedCalls()
        waits.append(retry.getTime() - bench.reactor.seconds())
        bench.reactor.advance(waits[-1])

    assert waits[0] <= BACK_OFF_S[0] * 1.6
    assert BACK_OFF_S[1] * 0.6 < max(waits) <= BACK_OFF_S[1]


def test_it_serves_the_calls_of_its_topic(bench: Bench) -> None:
    """The answer carries the caller's number."""

    async def ping(arguments: dict[str, Any], remaining_s: float) -> Any:
        return {**arguments, "left": remaining_s}

    bench.bridge.serve("board", {"call": ping})
    bench.receive(t="call", id=7, topic="wamp.a", ns="board", m="call", a={"x": 1}, s=2.5)

    assert bench.sent() == [{"t": "answer", "id": 7, "r": {"x": 1, "left": 2.5}}]


def test_log_lines_of_a_call_say_who_asked(bench: Bench) -> None:
    """Two calls under way at a time each keep their own caller."""
    found: list[str] = []
    gates: list[Deferred[None]] = []

    async def ping(arguments: dict[str, Any], remaining_s: float) -> Any:
        gate: Deferred[None] = Deferred()
        gates.append(gate)
        await gate
        found.append(asking().request_id)
        return {}

    bench.bridge.serve("board", {"call": ping})
    for number in (1, 2):
        context = {"request_id": f"req-{number}"}
        bench.receive(t="call", id=number, topic="wamp.a", ns="board", m="call", s=2.5, c=context)
    for gate in gates:
        gate.callback(None)

    assert found == ["req-1", "req-2"]
    assert asking() == NOBODY


@pytest.mark.parametrize(
    ("topic", "method"), [("wamp.b", "call"), ("wamp.a", "__init__"), ("wamp.a", "other")]
)
def test_nothing_else_can_be_called(bench: Bench, topic: str, method: str) -> None:
    """Only the methods that were named, of our own topics."""

    async def ping(arguments: dict[str, Any], remaining_s: float) -> Any:
        return None

    bench.bridge.serve("board", {"call": ping})
    bench.receive(t="call", id=7, topic=topic, ns="board", m=method, a={}, s=1.0)

    [answer] = bench.sent()
    assert (answer["t"], answer["e"]["http_status"]) == ("error", 404)


def test_a_handlers_bug_is_told_as_an_internal_error(bench: Bench) -> None:
    """Without its text; the next call is served."""

    async def broken(arguments: dict[str, Any], remaining_s: float) -> Any:
        raise ZeroDivisionError("secret")

    bench.bridge.serve("board", {"call": broken})
    bench.receive(t="call", id=7, topic="wamp.a", ns="board", m="call", a={}, s=1.0)

    [answer] = bench.sent()
    assert answer["e"]["code"] == "iot.internal"
    assert "secret" not in str(answer)


def test_an_answer_over_the_frame_limit_becomes_an_error(bench: Bench) -> None:
    """The caller is told, the link stays."""

    async def long(arguments: dict[str, Any], remaining_s: float) -> Any:
        return "x" * 1_100_000

    bench.bridge.serve("board", {"call": long})
    bench.receive(t="call", id=7, topic="wamp.a", ns="board", m="call", a={}, s=1.0)

    [answer] = bench.sent()
    assert answer["e"]["code"] == errors.TooLarge.code


def test_garbage_ends_the_link(bench: Bench) -> None:
    """Lengths are bounded."""
    bench.link.dataReceived(b"\xff\xff\xff\xff")

    assert bench.wire.disconnecting or bench.wire.disconnected


def test_stop_closes_and_does_not_come_back(bench: Bench) -> None:
    """No timer is left."""
    bench.bridge.stop()
    bench.lose()

    assert not bench.reactor.getDelayedCalls()
