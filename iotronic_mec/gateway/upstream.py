"""The way of a request to the core: frames over ``DIR/api.sock``.

A fixed number of connections, one request at a time on each; the core has one
blocking thread for each of them. Requests beyond wait in a bounded queue for a
bounded time. Reactor thread only.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from twisted.internet import protocol
from twisted.internet.base import DelayedCall, ReactorBase
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from iotronic_mec import errors, frames, prompt

LOG = logging.getLogger(__name__)

CONNECTIONS = 16
"""Connections to the core, and so requests it works on at a time."""

MAX_QUEUED = 256
"""Most requests that wait for a connection; more are refused."""

QUEUE_LIMIT_S = 10.0
"""Seconds a request may wait for a connection."""

REQUEST_LIMIT_S = 120.0
"""Seconds the core may take for one request."""

SWEEP_S = 1.0
"""Seconds between two looks for requests over the limit."""

CONNECT_TIMEOUT_S = 5.0
"""Seconds one attempt to connect may take."""

BACK_OFF_S = (0.05, 1.0)
"""First and longest wait between attempts to connect, seconds; with jitter."""


class Asker(Protocol):
    """Who gets the answer to a request."""

    def response(self, status: int, headers: list[list[str]], data: bytes, last: bool) -> None:
        """Take the head of the answer and the first piece of its body."""

    def piece(self, data: bytes, last: bool) -> None:
        """Take another piece of the body."""

    def failed(self, error: errors.Error) -> None:
        """Take note that there will be no answer, or no more of it."""


class Job:
    """One request on its way.

    :param environ: its WSGI keys
    :param body: where its body is read from, ``length`` bytes
    """

    __slots__ = ("asker", "body", "connection", "environ", "length", "timer")

    def __init__(
        self, asker: Asker, environ: dict[str, str], body: BinaryIO | None, length: int
    ) -> None:
        self.asker: Asker | None = asker
        self.environ = environ
        self.body = body
        self.length = length
        self.connection: Connection | None = None
        self.timer: DelayedCall | None = None

    def abandon(self) -> None:
        """Want no answer any more; one under way is read and dropped."""
        self.asker = None
        if self.connection is not None:
            self.connection.resume()

    def pause(self) -> None:
        """Read no more of the answer for now: the client is slow."""
        if self.connection is not None:
            self.connection.pause()

    def resume(self) -> None:
        """Read on."""
        if self.connection is not None:
            self.connection.resume()


class Upstream:
    """The connections to the core and the queue before them.

    :param path: of the core's socket
    """

    def __init__(
        self,
        reactor: ReactorBase,
        path: Path,
        *,
        connections: int = CONNECTIONS,
        max_queued: int = MAX_QUEUED,
        queue_limit_s: float = QUEUE_LIMIT_S,
        request_limit_s: float = REQUEST_LIMIT_S,
    ) -> None:
        self.reactor = reactor
        self.request_limit_s = request_limit_s
        self._path = path
        self._wanted = connections
        self._max_queued = max_queued
        self._queue_limit_s = queue_limit_s
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._queue: deque[Job] = deque()
        self._retries: set[DelayedCall] = set()
        self._failures = 0
        self._stopped = False
        self._sweep = LoopingCall(self.sweep)
        self._sweep.clock = reactor  # type: ignore[assignment]

    @property
    def up(self) -> bool:
        """Whether at least one connection to the core is open."""
        return bool(self._open)

    def start(self) -> None:
        """Open the connections, and open lost ones again."""
        for _ in range(self._wanted):
            self._connect()
        self._sweep.start(SWEEP_S, now=False)

    def stop(self) -> None:
        """Close the connections; requests under way fail."""
        self._stopped = True
        if self._sweep.running:
            self._sweep.stop()
        for retry in self._retries:
            retry.cancel()
        self._retries.clear()
        for connection in list(self._open):
            connection.transport.abortConnection()
        while self._queue:
            self._refuse(self._queue.popleft(), errors.Unavailable("the cloud is stopping"))

    def submit(self, job: Job) -> None:
        """Send a request as soon as a connection is free."""
        if self._idle:
            self._idle.pop().begin(job)
        elif not self._open:
            self._refuse(job, errors.Unavailable("the core is starting; try again shortly"))
        elif len(self._queue) >= self._max_queued:
            self._refuse(job, errors.Busy())
        else:
            self._queue.append(job)
            job.timer = self.reactor.callLater(self._queue_limit_s, self._waited, job)

    def free(self, connection: Connection) -> None:
        """Take a connection back; called by the connection."""
        while self._queue:
            job = self._queue.popleft()
            if job.timer is not None:
                job.timer.cancel()
            if job.asker is not None:
                connection.begin(job)
                return
            if job.body is not None:
                job.body.close()
        self._idle.append(connection)

    def lost(self, connection: Connection) -> None:
        """Replace a connection; called by the connection."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if not self._open:
            while self._queue:
                self._refuse(self._queue.popleft(), errors.Unavailable("the core has ended"))
        self._connect_later()

    def sweep(self) -> None:
        """Give up requests the core takes too long for."""
        latest_s = self.reactor.seconds() - self.request_limit_s
        for connection in list(self._open):
            if connection.since_s is not None and connection.since_s < latest_s:
                connection.expire()

    def _waited(self, job: Job) -> None:
        self._queue.remove(job)
        job.timer = None
        self._refuse(job, errors.Busy())

    def _refuse(self, job: Job, error: errors.Error) -> None:
        if job.body is not None:
            job.body.close()
        if job.timer is not None and job.timer.active():
            job.timer.cancel()
        if job.asker is not None:
            job.asker.failed(error)

    def _connect(self) -> None:
        endpoint = UNIXClientEndpoint(  # type: ignore[no-untyped-call]
            self.reactor, str(self._path), timeout=CONNECT_TIMEOUT_S
        )
        attempt = endpoint.connect(  # type: ignore[no-untyped-call]
            protocol.Factory.forProtocol(Connection)
        )
        attempt.addCallbacks(self._connected, lambda _: self._not_connected())

    def _connected(self, connection: Connection) -> None:
        if self._stopped:
            connection.transport.abortConnection()
            return
        self._failures = 0
        connection.upstream = self
        self._open.add(connection)
        self.free(connection)

    def _not_connected(self) -> None:
        self._failures += 1
        self._connect_later()

    def _connect_later(self) -> None:
        if self._stopped:
            return
        first_s, longest_s = BACK_OFF_S
        growth = 1.6 ** min(self._failures / self._wanted, 20)
        wait_s = min(longest_s, first_s * growth) * random.uniform(0.7, 1.0)  # noqa: S311

        def again() -> None:
            self._retries.discard(retry)
            self._connect()

        retry = self.reactor.callLater(wait_s, again)
        self._retries.add(retry)


class Connection(protocol.Protocol):
    """One connection to the core."""

    transport: Any

    def __init__(self) -> None:
        self.upstream: Upstream | None = None
        self._job: Job | None = None
        self.since_s: float | None = None
        self._unpacker = frames.Unpacker()
        self._sending = False
        self._answered = False

    def begin(self, job: Job) -> None:
        """Send a request; the answer goes to its asker."""
        assert self.upstream is not None
        self._job = job
        job.connection = self
        self._answered = False
        self.since_s = self.upstream.reactor.seconds()
        head = frames.pack({"t": "request", "environ": job.environ, "length": job.length})
        if job.length == 0 or job.body is None:
            prompt.write(self.transport, head)
            return
        pieces = _pieces(job.body, job.length)
        if job.length <= frames.BODY_PIECE_BYTES:
            prompt.write(self.transport, head + next(pieces))
            job.body.close()
            return
        self.transport.write(head)
        self._sending = True
        sender = _Sender(self.transport, job.body, pieces, self._sent)
        self.transport.registerProducer(sender, False)

    def pause(self) -> None:
        """Read no more for now."""
        self.transport.pauseProducing()

    def resume(self) -> None:
        """Read on."""
        self.transport.resumeProducing()

    def dataReceived(self, data: bytes) -> None:
        """Take bytes of the answer; called by Twisted."""
        try:
            for frame in self._unpacker.feed(data):
                self._take(frame)
        except (frames.FrameError, KeyError, TypeError) as error:
            LOG.error("the core's answer cannot be read: %r", error)
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        """Fail the request under way; called by Twisted."""
        if self._job is not None:
            self._done(errors.Unavailable("the core ended during the request"))
        if self.upstream is not None:
            self.upstream.lost(self)

    def _take(self, frame: dict[str, Any]) -> None:
        job = self._job
        if job is None:
            raise frames.FrameError("an answer nobody asked for")
        asker, last = job.asker, bool(frame["last"])
        if not self._answered:
            self._answered = True
            if asker is not None:
                asker.response(int(frame["status"]), frame["headers"], frame["b"], last)
        elif asker is not None:
            asker.piece(frame["b"], last)
        if last:
            self._done(None)

    def _sent(self) -> None:
        self._sending = False
        self.transport.unregisterProducer()
        if self._job is None:
            self._release()

    def _done(self, error: errors.Error | None) -> None:
        job, self._job = self._job, None
        self.since_s = None
        if job is not None:
            job.connection = None
            if error is not None and job.asker is not None:
                job.asker.failed(error)
        if error is None and not self._sending:
            self._release()

    def _release(self) -> None:
        if self.upstream is not None and self.transport.connected:
            self.transport.resumeProducing()
            self.upstream.free(self)

    def expire(self) -> None:
        """Give the request up: the core takes too long for it."""
        LOG.warning("the core took too long for a request")
        self._done(errors.DeadlineExceeded("the core took too long for this request"))
        self.transport.abortConnection()


class _Sender:
    """Gives a long body to the transport piece by piece, as it takes them."""

    def __init__(
        self,
        transport: Any,
        body: BinaryIO,
        pieces: Iterator[bytes],
        sent: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._body = body
        self._pieces = pieces
        self._sent = sent

    def resumeProducing(self) -> None:
        piece = next(self._pieces, None)
        if piece is None:
            self._body.close()
            self._sent()
        else:
            self._transport.write(piece)

    def stopProducing(self) -> None:
        self._body.close()
        self._pieces = iter(())


def _pieces(body: BinaryIO, length: int) -> Iterator[bytes]:
    """Yield the body as packed frames."""
    left = length
    while left > 0:
        piece = body.read(min(left, frames.BODY_PIECE_BYTES))
        left = left - len(piece) if piece else 0
        yield frames.pack({"t": "body", "b": piece, "last": left == 0})
