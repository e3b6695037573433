"""The way of a request to the core: frames over ``DIR/api.sock``.

A fixed number of connections, one request at a time on each; the core has one
blocking thread for each of them. Requests beyond wait in a bounded queue for a
bounded time. Of requests that only read, few are at the core at a time: it runs
one anyway, more would only hold up the front, and with it the data road.
Reactor thread only.
"""

from __future__ import annotations

import itertools
import logging
import random
from collections import deque
from pathlib import Path
from typing import Any

from twisted.internet import protocol
from twisted.internet.base import DelayedCall, ReactorBase
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from iotronic_mec import errors, frames, prompt
from iotronic_mec.gateway.job import Job, Sender, pieces

LOG = logging.getLogger(__name__)

CONNECTIONS = 16
"""Connections to the core, and so requests it works on at a time."""

READERS = 2
"""Requests the core works on at a time that only read. A thread of the core waits
for a board in other requests; in these it computes, one thread at a time."""

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
        readers: int = READERS,
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
        self._readers = readers
        self._reading = 0
        self._reads: deque[Job] = deque()
        self._others: deque[Job] = deque()
        self._numbers = itertools.count()
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
        self._refuse_all(errors.Unavailable("the cloud is stopping"))

    def submit(self, job: Job) -> None:
        """Send a request as soon as a connection is free, and its turn has come."""
        if self._idle and self._may_begin(job):
            self._begin(job)
        elif not self._open:
            self._refuse(job, errors.Unavailable("the core is starting; try again shortly"))
        elif len(self._reads) + len(self._others) >= self._max_queued:
            self._refuse(job, errors.Busy())
        else:
            job.number = next(self._numbers)
            self._queue_of(job).append(job)
            job.timer = self.reactor.callLater(self._queue_limit_s, self._waited, job)

    def free(self, connection: Connection) -> None:
        """Take a connection back; called by the connection."""
        self._idle.append(connection)
        self._go_on()

    def read(self) -> None:
        """Take note that the core has answered one that reads, or never will."""
        self._reading -= 1
        self._go_on()

    def _queue_of(self, job: Job) -> deque[Job]:
        return self._reads if job.reads else self._others

    def _may_begin(self, job: Job) -> bool:
        return not job.reads or self._reading < self._readers

    def _begin(self, job: Job) -> None:
        self._reading += job.reads
        self._idle.pop().begin(job)

    def _go_on(self) -> None:
        """Begin what waits, the oldest first, as far as it may."""
        while self._idle:
            first = [queue[0] for queue in (self._reads, self._others) if queue]
            ready = [job for job in first if self._may_begin(job)]
            if not ready:
                return
            job = min(ready, key=lambda job: job.number)
            self._queue_of(job).popleft()
            if job.timer is not None:
                job.timer.cancel()
            if job.asker is not None:
                self._begin(job)
            elif job.body is not None:
                job.body.close()

    def lost(self, connection: Connection) -> None:
        """Replace a connection; called by the connection."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if not self._open:
            self._refuse_all(errors.Unavailable("the core has ended"))
        self._connect_later()

    def sweep(self) -> None:
        """Give up requests the core takes too long for."""
        latest_s = self.reactor.seconds() - self.request_limit_s
        for connection in list(self._open):
            if connection.since_s is not None and connection.since_s < latest_s:
                connection.expire()

    def _waited(self, job: Job) -> None:
        self._queue_of(job).remove(job)
        job.timer = None
        self._refuse(job, errors.Busy())

    def _refuse_all(self, error: errors.Error) -> None:
        for queue in (self._reads, self._others):
            while queue:
                self._refuse(queue.popleft(), error)

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
        self._reading = False

    def begin(self, job: Job) -> None:
        """Send a request; the answer goes to its asker."""
        assert self.upstream is not None
        self._job = job
        job.connection = self
        self._answered = False
        self._reading = job.reads
        self.since_s = self.upstream.reactor.seconds()
        head = frames.pack({"t": "request", "environ": job.environ, "length": job.length})
        if job.length == 0 or job.body is None:
            prompt.write(self.transport, head)
            return
        parts = pieces(job.body, job.length)
        if job.length <= frames.BODY_PIECE_BYTES:
            prompt.write(self.transport, head + next(parts))
            job.body.close()
            return
        self.transport.write(head)
        self._sending = True
        sender = Sender(self.transport, job.body, parts, self._sent)
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
            self._read()
        elif asker is not None:
            asker.piece(frame["b"], last)
        if last:
            self._done(None)

    def _sent(self) -> None:
        self._sending = False
        self.transport.unregisterProducer()
        if self._job is None:
            self._release()

    def _read(self) -> None:
        """Let the next one read: what is left of the answer only waits for the client."""
        if self._reading and self.upstream is not None:
            self._reading = False
            self.upstream.read()

    def _done(self, error: errors.Error | None) -> None:
        self._read()
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
