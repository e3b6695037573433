"""The way to the core: connections, queue, limits; and the control origin on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from iotronic_mec import frames
from iotronic_mec.gateway.control import ControlSite
from iotronic_mec.gateway.environ import Origin
from iotronic_mec.gateway.upstream import QUEUE_LIMIT_S, REQUEST_LIMIT_S, Upstream
from tests.unit.gateway.test_site import Wire, body_of

GET = b"GET /v1/boards?limit=1 HTTP/1.1\r\nHost: h\r\nX-Auth-Token: t\r\n\r\n"


class CoreEnd(StringTransport):
    """The core's end of one connection."""

    connected = True
    aborted = False

    def abortConnection(self) -> None:
        """Take note of it."""
        self.aborted = True
        self.connected = False


class Bench:
    """A control origin with a number of connections to a made-up core."""

    def __init__(self, connections: int = 1, **options: Any) -> None:
        self.reactor = MemoryReactorClock()
        self.upstream = Upstream(
            self.reactor,  # type: ignore[arg-type]
            Path("api.sock"),
            connections=connections,
            **options,
        )
        self.state = {"core": "up", "router": "up"}
        self.boards: list[tuple[dict[str, Any], Deferred[Any]]] = []
        self.site = ControlSite(
            self.reactor,  # type: ignore[arg-type]
            self.upstream,
            Origin(),
            lambda: self.state,
            self.call_board,
            max_body_bytes=2_000_000,
        )
        self.upstream.start()
        self.links: list[Any] = []
        self.connect()

    def connect(self) -> None:
        """Let the attempts to connect succeed."""
        for client in self.reactor.unixClients[len(self.links) :]:
            link = client[1].buildProtocol(None)
            link.makeConnection(CoreEnd())
            self.links.append(link)

    def call_board(self, arguments: dict[str, Any], _remaining_s: float) -> Deferred[Any]:
        """Take note of a call to a board; the test answers it."""
        answer: Deferred[Any] = Deferred()
        self.boards.append((arguments, answer))
        return answer

    def client(self) -> tuple[Any, Wire]:
        """Connect a client."""
        channel, wire = self.site.buildProtocol(None), Wire()
        channel.makeConnection(wire)
        return channel, wire

    def ask(self, request: bytes = GET) -> Wire:
        """Let a new client ask."""
        channel, wire = self.client()
        wire.channel = channel  # type: ignore[attr-defined]
        channel.dataReceived(request)
        return wire

    def sent(self, link: int = 0) -> list[dict[str, Any]]:
        """Return what the core was sent over one connection."""
        transport = self.links[link].transport
        if transport.producer is not None and not transport.streaming:
            while transport.producer is not None:
                transport.producer.resumeProducing()
        found = frames.Unpacker().feed(transport.value())
        transport.clear()
        return found

    def answer(self, link: int = 0, **frame: Any) -> None:
        """Let the core answer."""
        whole = {"t": "response", "status": 200, "headers": [], "b": b"", "last": True, **frame}
        self.links[link].dataReceived(frames.pack(whole))

    def lose(self, link: int = 0) -> None:
        """Let the core close a connection."""
        self.links[link].connectionLost(Failure(ConnectionDone()))


@pytest.fixture
def bench() -> Bench:
    """Give an origin with one connection."""
    return Bench()


def code_of(wire: Wire) -> str:
    """Return the code of an error that was answered."""
    return str(json.loads(body_of(wire.value()))["code"])


def test_a_request_crosses_and_its_answer_comes_back(bench: Bench) -> None:
    """Status, headers, and the body with its length."""
    wire = bench.ask()
    [request] = bench.sent()

    bench.answer(status=201, headers=[["Location", "/x"], ["Connection", "close"]], b=b"done")

    assert request["environ"]["PATH_INFO"] == "/v1/boards"
    assert request["environ"]["HTTP_X_AUTH_TOKEN"] == "t"
    assert wire.value().startswith(b"HTTP/1.1 201 Created\r\n")
    assert b"Location: /x" in wire.value()
    assert b"Connection: close" not in wire.value()
    assert body_of(wire.value()) == b"done"


def test_a_long_body_goes_in_pieces(bench: Bench) -> None:
    """None over the limit of a piece, the last one marked."""
    body = b"x" * 600_000

    bench.ask(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    head, *pieces = bench.sent()
    assert head["length"] == len(body)
    assert b"".join(piece["b"] for piece in pieces) == body
    assert max(len(piece["b"]) for piece in pieces) <= frames.BODY_PIECE_BYTES
    assert [piece["last"] for piece in pieces] == [False, False, True]


def test_an_answer_may_come_in_pieces(bench: Bench) -> None:
    """With the length the core gave."""
    wire = bench.ask()

    bench.answer(headers=[["Content-Length", "6"]], b=b"abc", last=False)
    bench.answer(t="body", b=b"def")

    assert b"Content-Length: 6" in wire.value()
    assert body_of(wire.value()) == b"abcdef"


def test_a_slow_client_holds_the_answer_back(bench: Bench) -> None:
    """The connection to the core is read no further until the client takes more."""
    wire = bench.ask()
    bench.answer(b=b"abc", last=False)

    wire.channel.pauseProducing()  # type: ignore[attr-defined]
    paused = bench.links[0].transport.producerState
    wire.channel.resumeProducing()  # type: ignore[attr-defined]

    assert paused == "paused"
    assert bench.links[0].transport.producerState == "producing"


def test_the_rest_of_an_answer_nobody_wants_is_dropped(bench: Bench) -> None:
    """The connection serves the next client."""
    wire = bench.ask()
    bench.answer(b=b"abc", last=False)
    wire.channel.connectionLost(Failure(ConnectionDone()))  # type: ignore[attr-defined]

    bench.answer(t="body", b=b"def")
    again = bench.ask()
    bench.answer(b=b"next")

    assert body_of(again.value()) == b"next"


def test_requests_wait_for_a_connection(bench: Bench) -> None:
    """One at a time on each."""
    bench.ask()
    second = bench.ask()
    assert len(bench.sent()) == 1

    bench.answer()

    assert len(bench.sent()) == 1
    bench.answer(b=b"second")
    assert body_of(second.value()) == b"second"


def test_the_queue_is_bounded() -> None:
    """Beyond it, 503 with Retry-After at once."""
    bench = Bench(max_queued=1)
    bench.ask()
    bench.ask()

    third = bench.ask()

    assert third.value().startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 1" in third.value()
    assert code_of(third) == "iot.busy"


def test_waiting_has_a_limit(bench: Bench) -> None:
    """Then it is busy."""
    bench.ask()
    second = bench.ask()

    bench.reactor.advance(QUEUE_LIMIT_S + 0.1)

    assert code_of(second) == "iot.busy"


def test_the_core_has_a_limit(bench: Bench) -> None:
    """The connection is given up, since its thread is still at work."""
    wire = bench.ask()

    bench.reactor.advance(REQUEST_LIMIT_S + 2)
    bench.upstream.sweep()

    assert wire.value().startswith(b"HTTP/1.1 504 ")
    assert bench.links[0].transport.aborted


def test_without_the_core_the_answer_is_503() -> None:
    """Also for what waits when it ends."""
    bench = Bench()
    first, second = bench.ask(), bench.ask()

    bench.lose()
    third = bench.ask()

    assert {code_of(wire) for wire in (first, second, third)} == {"iot.unavailable"}


def test_a_broken_answer_breaks_the_clients_connection(bench: Bench) -> None:
    """A half answer must not look whole."""
    wire = bench.ask()
    bench.answer(b=b"abc", last=False)

    bench.lose()

    assert wire.cut


def test_a_lost_connection_is_opened_again(bench: Bench) -> None:
    """And serves."""
    bench.lose()
    bench.reactor.advance(2.0)
    bench.connect()

    wire = bench.ask()
    bench.answer(link=1, b=b"back")

    assert body_of(wire.value()) == b"back"


HEALTH = b"GET /healthcheck?x HTTP/1.1\r\nHost: h\r\n"
TOKEN = b"X-Auth-Token: t\r\n"


def test_health_is_answered_here(bench: Bench) -> None:
    """Whatever the core does; anybody is told no more than whether it serves."""
    wire = bench.ask(HEALTH + b"\r\n")

    assert wire.value().startswith(b"HTTP/1.1 200 ")
    assert json.loads(body_of(wire.value())) == {"status": "ok"}
    assert bench.sent() == []


def test_bad_health_is_a_503_without_a_cause(bench: Bench) -> None:
    """For load balancers; what is wrong inside is not for anybody."""
    bench.state["router"] = "the router is away"

    wire = bench.ask(HEALTH + b"\r\n")

    assert wire.value().startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 1" in wire.value()
    assert json.loads(body_of(wire.value())) == {"status": "unavailable"}


def test_an_operator_is_told_the_causes(bench: Bench) -> None:
    """The core says who may; its own parts stand beside the front's."""
    bench.state["router"] = "the router is away"

    wire = bench.ask(HEALTH + TOKEN + b"\r\n")
    (asked,) = bench.sent()
    bench.answer(b=b'{"parts": {"database": "up"}}')

    assert asked["environ"]["PATH_INFO"] == "/healthcheck/parts"
    assert asked["environ"]["REQUEST_METHOD"] == "GET"
    assert asked["environ"]["HTTP_X_AUTH_TOKEN"] == "t"
    assert wire.value().startswith(b"HTTP/1.1 503 ")
    assert json.loads(body_of(wire.value())) == {
        "status": "unavailable",
        "parts": {"core": "up", "router": "the router is away", "database": "up"},
    }


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_others_with_credentials_are_told_nothing(bench: Bench, status: int) -> None:
    """Who may not, or cannot be asked about, gets the answer anybody gets."""
    wire = bench.ask(HEALTH + TOKEN + b"\r\n")
    bench.answer(status=status, b=b'{"parts": {"x": "secret"}}')

    assert wire.value().startswith(b"HTTP/1.1 200 ")
    assert json.loads(body_of(wire.value())) == {"status": "ok"}


def test_health_without_the_core(bench: Bench) -> None:
    """Nobody can say who may see more; the answer comes all the same."""
    bench.state["core"] = "the core is starting or restarting"
    bench.lose()

    wire = bench.ask(HEALTH + TOKEN + b"\r\n")

    assert wire.value().startswith(b"HTTP/1.1 503 ")
    assert json.loads(body_of(wire.value())) == {"status": "unavailable"}


def test_stopping_leaves_no_timer(bench: Bench) -> None:
    """Requests that wait are told."""
    bench.ask()
    second = bench.ask()

    bench.upstream.stop()

    assert code_of(second) == "iot.unavailable"


# -- those that only read ---------------------------------------------------------------

POST = b"POST /v1/boards HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"


def busy(bench: Bench) -> list[int]:
    """Return the connections a request was sent over since the last look."""
    return [link for link in range(len(bench.links)) if bench.sent(link)]


def test_few_read_at_a_time() -> None:
    """Others go on; the next one reads when an answer has begun, whole or not."""
    bench = Bench(4, readers=2)
    for _ in range(3):
        bench.ask()
    first, second = busy(bench)

    bench.ask(POST)
    [writing] = busy(bench)
    bench.answer(first, b=b"head", last=False)
    [third] = busy(bench)

    assert len({first, second, writing, third}) == 4


@pytest.mark.parametrize("end", ["answered", "lost", "expired", "abandoned"])
def test_every_end_lets_the_next_one_read(end: str) -> None:
    """However a request ends, its place is given back, and once."""
    bench = Bench(3, readers=1)
    wires = [bench.ask() for _ in range(3)]
    [link] = busy(bench)

    if end == "answered":
        bench.answer(link)
    elif end == "lost":
        bench.lose(link)
    elif end == "expired":
        bench.reactor.advance(REQUEST_LIMIT_S + 1)
        bench.upstream.sweep()
        bench.lose(link)
    else:
        wires[0].channel.connectionLost(Failure(ConnectionDone()))  # type: ignore[attr-defined]
        bench.answer(link)

    if end == "expired":
        # the others waited too long meanwhile
        bench.ask()
    assert len(busy(bench)) == 1
    assert bench.upstream._reading == 1


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["get", "post", "answer", "piece", "lose"]), max_size=60))
def test_places_are_neither_lost_nor_made(steps: list[str]) -> None:
    """Whatever comes in whatever order: never more readers than allowed, none forgotten."""
    bench = Bench(4, readers=2)
    open_ends: dict[int, bool] = {}
    for step in steps:
        if step in ("get", "post"):
            bench.ask(GET if step == "get" else POST)
        elif open_ends:
            link, begun = next(iter(open_ends.items()))
            if step == "lose":
                bench.lose(link)
                del open_ends[link]
            elif step == "answer":
                bench.answer(link)
                del open_ends[link]
            elif not begun:
                bench.answer(link, b=b"x", last=False)
                open_ends[link] = True
        for link in busy(bench):
            open_ends[link] = False
        assert 0 <= bench.upstream._reading <= 2

    while open_ends:
        link = next(iter(open_ends))
        bench.answer(link)
        del open_ends[link]
        for other in busy(bench):
            open_ends[other] = False
    assert bench.upstream._reading == 0
    assert not bench.upstream._reads
    assert not bench.upstream._others or not bench.upstream.up
