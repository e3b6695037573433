"""HTTP on one origin: limits, the answer's head, and one class per origin.

Twisted's parser, without its resources, sessions and argument parsing: this is
on the way of every request. An :class:`Exchange` is one request with its answer;
the origins derive from it and override :meth:`Exchange.begin`. A body is received
whole (in memory or a temporary file) before ``begin``, so that a slow sender
holds no thread of the core. Reactor thread only.

Source: RFC 9110 and RFC 9112.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

import orjson
from twisted.internet.base import ReactorBase
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from twisted.web import http

from iotronic_mec import errors, metrics, prompt
from iotronic_mec.ids import new_uuid
from lightning_agent.protocol.log_lines import REQUEST_ID

LOG = logging.getLogger(__name__)

MAX_BODY_BYTES = 67_108_864
"""Largest request body, bytes."""

DRAIN_BYTES = 16_777_216
"""Bytes beyond the limit that are read and dropped, so that an honest client sees
the refusal; then the connection is cut."""

MAX_CONNECTIONS = 2048
"""Most clients connected to one origin; more are refused."""

IDLE_S = 75.0
"""Seconds a connection may be silent between and inside requests."""

RECEIVE_LIMIT_S = 300.0
"""Seconds a request may take to arrive whole, however steadily it trickles."""

SWEEP_S = 10.0
"""Seconds between two looks for requests that take too long to arrive."""

JSON = "application/json"

Headers = Iterable[tuple[str, str]]

_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
CLASSES = {hundred: f"{hundred}xx" for hundred in range(1, 6)}
"""Hundreds of a status to its class."""

_NO_BODY = frozenset({204, 304})


class LineTooLong(errors.BadRequest):
    """The address or a header is too long."""

    code = "iot.request.line_too_long"
    http_status = 414


def error_body(error: errors.Error, request_id: str) -> bytes:
    """Return an error in the shape the API has."""
    fault = "Server" if error.http_status >= 500 else "Client"
    inner = {"debuginfo": None, "faultcode": fault, "faultstring": error.message}
    return orjson.dumps(
        {
            "error_message": orjson.dumps(inner).decode(),
            "code": error.code,
            "details": error.details,
            "request_id": request_id,
        }
    )


class Exchange(http.Request):
    """One request and its answer; the base of both origins."""

    channel: Any
    content: Any
    site: Site
    gone = False
    _request_id: str | None = None

    def __init__(self, channel: http.HTTPChannel, queued: object = False) -> None:
        super().__init__(channel, queued=queued, parsePOSTFormSubmission=False)
        self.received_bytes = 0
        factory = channel.factory
        assert isinstance(factory, Site)
        self.site = factory
        factory.receiving[self] = factory.clock()

    # -- receiving, called by Twisted -------------------------------------------------

    def parseCookies(self) -> None:
        """Leave cookies to whoever wants them."""

    def gotLength(self, length: int | None) -> None:
        """Make room for a body, unless it says that it is too long."""
        refused = length is not None and length > self.site.max_body_bytes
        super().gotLength(0 if refused else length)  # type: ignore[no-untyped-call]

    def handleContentChunk(self, data: bytes) -> None:
        """Keep a piece of the body, unless there is too much of it."""
        self.received_bytes += len(data)
        if self.received_bytes <= self.site.max_body_bytes:
            assert self.content is not None
            self.content.write(data)
        elif self.received_bytes > self.site.max_body_bytes + DRAIN_BYTES:
            self.cut()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Start the answer: the request is here, whole."""
        self.site.receiving.pop(self, None)
        self.method, self.uri, self.clientproto = command, path, version
        try:
            if self.received_bytes > self.site.max_body_bytes:
                limit = self.site.max_body_bytes
                self.fail(errors.TooLarge(f"a request body may have {limit} bytes"))
            else:
                self.begin()
        except Exception:  # the outer rim of HTTP in this process
            LOG.exception("request %s failed", self.request_id())
            if not self.startedWriting:
                self.fail(errors.Error("internal error; the log of the front says more"))

    def connectionLost(self, reason: Failure) -> None:
        """Take note that the client is gone."""
        self.gone = True
        self.site.receiving.pop(self, None)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]
        self.abandoned()

    def request_id(self) -> str:
        """Return the id the client gave, if it is one; else a new one, the same each time."""
        if self._request_id is None:
            given = self.requestHeaders.getRawHeaders(b"x-openstack-request-id") or (b"",)
            sent = given[0].decode("latin-1")
            self._request_id = sent if REQUEST_ID.fullmatch(sent) else f"req-{new_uuid()}"
        return self._request_id

    # -- for the origins --------------------------------------------------------------

    def begin(self) -> None:
        """Answer the request; overridden by each origin."""
        self.fail(errors.NotFound())

    def abandoned(self) -> None:
        """The client has gone before the answer was complete; may be overridden."""

    def start(self, status: int, headers: Headers, length: int | None, data: bytes = b"") -> None:
        """Send the answer's head, and the first bytes of its body.

        :param headers: without those about the connection
        :param length: bytes of the body; ``None`` when not known before its end
        """
        if self.gone:
            return
        self.code = status
        metrics.ANSWERS.add(self.site.label, CLASSES.get(status // 100, metrics.OTHER))
        reason = _REASONS.get(status, b"Unknown")
        head = [b"HTTP/1.1 %d %s\r\nDate: %s\r\n" % (status, reason, self.site.date())]
        for name, value in headers:
            line = f"{name}: {value}"
            if "\r" not in line and "\n" not in line:
                head.append(line.encode("latin-1", "replace") + b"\r\n")
        if length is not None:
            if status not in _NO_BODY:
                head.append(b"Content-Length: %d\r\n" % length)
        elif self.method != b"HEAD" and status not in _NO_BODY:
            if self.clientproto == b"HTTP/1.1":
                self.chunked = 1
                head.append(b"Transfer-Encoding: chunked\r\n")
            else:
                self.channel.persistent = False
        if not self.channel.persistent:
            head.append(b"Connection: close\r\n")
        head.append(b"\r\n")
        self.startedWriting = 1
        head += self._body(data)
        prompt.write(self.channel.transport, b"".join(head))

    def send(self, data: bytes) -> None:
        """Send a piece of the answer's body."""
        if not self.gone:
            self.channel.writeSequence(self._body(data))

    def end(self) -> None:
        """Complete the answer."""
        if not self.gone:
            self.finish()  # type: ignore[no-untyped-call]

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole answer."""
        self.start(status, headers, len(body), body)
        self.end()

    def answer_json(self, status: int, value: object, headers: Headers = ()) -> None:
        """Send a whole answer in JSON."""
        self.answer(status, [("Content-Type", JSON), *headers], orjson.dumps(value))

    def fail(self, error: errors.Error) -> None:
        """Send an error in the shape the API has.

        ``error_message`` holds JSON as a text, which is what IoTronic's clients
        read; ``code`` and ``details`` stand beside it.
        """
        request_id = self.request_id()
        headers = [("Content-Type", JSON), ("Openstack-Request-Id", request_id)]
        if error.http_status == 503:
            headers.append(("Retry-After", "1"))
        self.answer(error.http_status, headers, error_body(error, request_id))

    def cut(self) -> None:
        """Break the connection: the answer cannot be completed."""
        if not self.gone:
            self.channel.transport.abortConnection()

    def _body(self, data: bytes) -> list[bytes]:
        if not data or self.method == b"HEAD" or self.code in _NO_BODY:
            return []
        return [b"%x\r\n" % len(data), data, b"\r\n"] if self.chunked else [data]


class Site(http.HTTPFactory):
    """The listener of one origin.

    :param exchange: class of its requests
    """

    protocol = http.HTTPChannel  # type: ignore[assignment]
    label = "site"
    """What its answers are counted as."""

    def __init__(
        self,
        reactor: ReactorBase,
        exchange: type[Exchange],
        *,
        max_body_bytes: int = MAX_BODY_BYTES,
        max_connections: int = MAX_CONNECTIONS,
        receive_limit_s: float = RECEIVE_LIMIT_S,
    ) -> None:
        super().__init__(timeout=IDLE_S, reactor=reactor)  # type: ignore[arg-type]
        self.clock: Callable[[], float] = reactor.seconds
        self.exchange = exchange
        self.max_body_bytes = max_body_bytes
        self.max_connections = max_connections
        self.receive_limit_s = receive_limit_s
        self.receiving: dict[Exchange, float] = {}
        self.connections = 0
        self._date = (0, b"")
        self._sweep = LoopingCall(self.sweep)
        self._sweep.clock = reactor  # type: ignore[assignment]

    def startFactory(self) -> None:
        """Start the sweep; there is no access log here."""
        self._sweep.start(SWEEP_S, now=False)

    def stopFactory(self) -> None:
        """Stop the sweep."""
        if self._sweep.running:
            self._sweep.stop()

    def log(self, request: http.Request) -> None:
        """Write nothing: requests are logged by whoever answers them."""

    def buildProtocol(self, addr: Any) -> Any:
        """Take a new client, unless there are too many."""
        if self.connections >= self.max_connections:
            LOG.warning("more than %d clients are connected", self.max_connections)
            return None
        channel: Any = _Channel()  # type: ignore[no-untyped-call]
        channel.factory = self
        channel.site = self
        channel.requestFactory = self.exchange
        channel.callLater = self.reactor.callLater
        channel.timeOut = self.timeOut
        return channel

    def date(self) -> bytes:
        """Return the present moment as HTTP writes it."""
        second = int(self.clock())
        if second != self._date[0]:
            self._date = (second, http.datetimeToString(second))  # type: ignore[no-untyped-call]
        return self._date[1]

    def sweep(self) -> None:
        """End connections whose request takes too long to arrive."""
        latest = self.clock() - self.receive_limit_s
        for exchange, since in list(self.receiving.items()):
            if since < latest:
                exchange.cut()


class _Channel(http.HTTPChannel):
    """A channel that is counted."""

    factory: Any
    callLater: Any

    def connectionMade(self) -> None:
        self.factory.connections += 1
        super().connectionMade()  # type: ignore[no-untyped-call]

    def lineLengthExceeded(self, line: bytes) -> None:
        """Answer what is longer than a line may be, instead of hanging up."""
        first = not self.requests
        status, told = (414, "the address") if first else (431, "a header")
        error = LineTooLong(f"{told} is longer than {self.MAX_LENGTH} bytes")
        request_id = f"req-{new_uuid()}"
        body = error_body(error, request_id)
        head = [
            f"HTTP/1.1 {status} {_REASONS.get(status, b'Too Long').decode()}",
            f"Content-Type: {JSON}",
            f"Content-Length: {len(body)}",
            f"Openstack-Request-Id: {request_id}",
            "Connection: close",
        ]
        transport: Any = self.transport
        transport.write("\r\n".join([*head, "", ""]).encode() + body)
        transport.loseConnection()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.factory.connections -= 1
        super().connectionLost(reason)  # type: ignore[no-untyped-call]
