"""HTTP on one origin, fed with bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from iotronic_mec.gateway import site
from iotronic_mec.gateway.site import Exchange, Site


class Echo(Exchange):
    """Answers with the body it got."""

    def begin(self) -> None:
        """Answer in the way the path asks for."""
        path = self.uri
        if path == b"/broken":
            raise ZeroDivisionError("secret")
        if path == b"/streamed":
            self.start(200, [("X-A", "1")], None, b"one")
            self.send(b"two")
            self.end()
        elif path == b"/split":
            self.answer(200, [("X-Bad", "a\r\nSet-Cookie: x"), ("X-Good", "b")], b"")
        elif path == b"/empty":
            self.answer(204, [], b"")
        else:
            self.content.seek(0)
            self.answer(200, [], self.content.read())


class Wire(StringTransport):
    """A client's connection that can be cut."""

    cut = False

    def abortConnection(self) -> None:
        """Take note of it."""
        self.cut = True
        self.disconnecting = True


class Bench:
    """A listener and one client."""

    def __init__(self, **limits: Any) -> None:
        self.reactor = MemoryReactorClock()
        self.site = Site(self.reactor, Echo, **limits)  # type: ignore[arg-type]
        self.wire = Wire()
        self.channel = self.site.buildProtocol(None)
        self.channel.makeConnection(self.wire)

    def ask(self, request: bytes) -> bytes:
        """Send bytes and return what came back."""
        self.wire.clear()
        self.channel.dataReceived(request)
        return bytes(self.wire.value())


@pytest.fixture
def bench() -> Bench:
    """Give a listener."""
    return Bench(max_body_bytes=100)


def post(body: bytes, path: bytes = b"/") -> bytes:
    """Return a request with a body."""
    return b"POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s" % (path, len(body), body)


def body_of(answer: bytes) -> bytes:
    """Return an answer's body."""
    return answer.partition(b"\r\n\r\n")[2]


def test_a_body_arrives_whole(bench: Bench) -> None:
    """With its length, and a date."""
    answer = bench.ask(post(b"hello"))

    assert answer.startswith(b"HTTP/1.1 200 OK\r\nDate: ")
    assert b"\r\nContent-Length: 5\r\n" in answer
    assert body_of(answer) == b"hello"


def test_a_connection_serves_several_requests(bench: Bench) -> None:
    """Also when they come at once."""
    answer = bench.ask(post(b"one") + post(b"two"))

    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.endswith(b"two")


def test_a_chunked_body_arrives_whole(bench: Bench) -> None:
    """Without a length in front."""
    answer = bench.ask(
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )

    assert body_of(answer) == b"abcde"


def test_an_answer_of_unknown_length_is_chunked(bench: Bench) -> None:
    """On HTTP/1.1."""
    answer = bench.ask(b"GET /streamed HTTP/1.1\r\nHost: h\r\n\r\n")

    assert b"Transfer-Encoding: chunked" in answer
    assert body_of(answer) == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"


def test_an_old_client_gets_the_end_by_the_connections_end(bench: Bench) -> None:
    """On HTTP/1.0 there are no chunks."""
    answer = bench.ask(b"GET /streamed HTTP/1.0\r\n\r\n")

    assert body_of(answer) == b"onetwo"
    assert b"Connection: close" in answer
    assert bench.wire.disconnecting


def test_head_has_no_body(bench: Bench) -> None:
    """But the length it would have."""
    answer = bench.ask(b"HEAD /streamed HTTP/1.1\r\nHost: h\r\n\r\n")

    assert body_of(answer) == b""


def test_no_content_has_no_length(bench: Bench) -> None:
    """204 ends with its head."""
    answer = bench.ask(b"GET /empty HTTP/1.1\r\nHost: h\r\n\r\n")

    assert b"Content-Length" not in answer
    assert body_of(answer) == b""


def test_a_header_cannot_be_split(bench: Bench) -> None:
    """A value with a line break is left out."""
    answer = bench.ask(b"GET /split HTTP/1.1\r\nHost: h\r\n\r\n")

    assert b"Set-Cookie" not in answer
    assert b"X-Good: b" in answer


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused(bench: Bench, chunked: bool) -> None:
    """Announced or not; the next request is served."""
    request = post(b"x" * 101)
    if chunked:
        request = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n%s\r\n0\r\n\r\n" % (
            b"x" * 101
        )

    answer = bench.ask(request)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert json.loads(body_of(answer))["code"] == "iot.request.too_large"
    assert body_of(bench.ask(post(b"next"))) == b"next"


def test_a_body_without_end_is_cut(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is dropped is bounded too."""
    monkeypatch.setattr(site, "DRAIN_BYTES", 1000)

    bench.ask(b"POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n" + b"x" * 1200)

    assert bench.wire.cut


def test_a_bug_is_a_500_without_its_text(bench: Bench) -> None:
    """In the shape errors have."""
    answer = bench.ask(b"GET /broken HTTP/1.1\r\nHost: h\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"secret" not in answer
    inner = json.loads(json.loads(body_of(answer))["error_message"])
    assert inner["faultcode"] == "Server"


def test_a_slow_request_is_cut(bench: Bench) -> None:
    """However steadily it trickles."""
    bench.ask(b"POST / HTTP/1.1\r\nContent-Length: 50\r\n\r\nabc")

    bench.reactor.advance(site.RECEIVE_LIMIT_S + 1)
    bench.site.sweep()

    assert bench.wire.cut


def test_clients_are_counted() -> None:
    """One too many is not taken."""
    bench = Bench(max_connections=1)
    assert bench.site.buildProtocol(None) is None

    bench.channel.connectionLost(Failure(ConnectionDone()))

    assert bench.site.buildProtocol(None) is not None


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -3\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: xxxxxxxx\r\n" * 2_000 + b"\r\n",
        b"nonsense\r\n\r\n",
    ],
    ids=["length and chunks", "two lengths", "negative length", "long head", "no request"],
)
def test_a_request_that_is_none_is_refused(bench: Bench, request_bytes: bytes) -> None:
    """Also one that could be read in two ways; the connection is closed."""
    answer = bench.ask(request_bytes)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert bench.wire.disconnecting


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX-Long: " + b"a" * 20_000 + b"\r\n", b"431"),
    ],
)
def test_lines_that_are_too_long_get_an_answer(
    bench: Bench, request_bytes: bytes, status: bytes
) -> None:
    """The client is told what is too long, in the API's shape, and is let go."""
    answer = bench.ask(request_bytes)

    assert answer.startswith(b"HTTP/1.1 " + status)
    assert json.loads(body_of(answer))["code"] == "iot.request.line_too_long"
    assert bench.wire.disconnecting
