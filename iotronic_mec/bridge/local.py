"""The reactor's end of the ``local`` transport: calls to and from the core.

In ``standalone`` the wamp agent and the gateway live in a process with a reactor
and **no threads at all**; everything that blocks lives in the core process. So
this is no bridge between threads and a loop but between two processes, over
``DIR/rpc.sock``. Reactor thread only.

Usage::

    bridge = Bridge(reactor, path, name="front", topics=("wamp.<agent>",))
    bridge.serve("directory", {"put": put})
    bridge.start()
    row = await bridge.call("board", "find_code", {"digest": digest}, timeout_s=5.0)

Every wait has a limit, the number of calls in flight is bounded, and a lost
link fails what waits on it at once.
"""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet import defer, protocol
from twisted.internet.base import DelayedCall, ReactorBase
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.python.failure import Failure

from iotronic_mec import errors, frames, prompt
from iotronic_mec.bridge.ends import Handler, asking_of, own_context
from lightning_agent.protocol.log_lines import set_asking

LOG = logging.getLogger(__name__)

CONDUCTOR = "conductor"
"""The topic the core serves."""

MAX_IN_FLIGHT = 512
"""Most calls to the core that may wait for an answer; more are ``Busy``."""

MAX_SERVED = 1024
"""Most calls of the core that may run here at once; more are ``Busy``."""

LINES = 8
"""Further connections, each for one call of the core at a time; see ``rpc.line``."""

LINE_RETRY_S = 1.0
"""Seconds until a line that was lost is opened again."""

CONNECT_TIMEOUT_S = 5.0
"""Seconds one attempt to connect may take."""

BACK_OFF_S = (0.05, 2.0)
"""First and longest wait between attempts to connect, seconds; with jitter."""

_GROWTH = 1.6


class Bridge:
    """Keeps the link to the core and carries calls both ways.

    :param path: of the core's socket
    :param name: who we are, for the core's log
    :param topics: the topics whose calls the core may send us
    :param max_in_flight: most calls that may wait for an answer, > 0
    :param lines: connections offered to the core beside the link, >= 0
    """

    def __init__(
        self,
        reactor: ReactorBase,
        path: Path,
        *,
        name: str,
        topics: Sequence[str],
        max_in_flight: int = MAX_IN_FLIGHT,
        lines: int = LINES,
    ) -> None:
        self.reactor = reactor
        self.max_in_flight = max_in_flight
        self._endpoint = UNIXClientEndpoint(  # type: ignore[no-untyped-call]
            reactor, str(path), timeout=CONNECT_TIMEOUT_S
        )
        self._hello = {"t": "hello", "name": name, "topics": list(topics)}
        self._topics = frozenset(topics)
        self._handlers: dict[tuple[str, str], Handler] = {}
        self._watchers: list[Callable[[], None]] = []
        self._link: Link | None = None
        self._wanted_lines = lines
        self._lines: set[Link] = set()
        self._opening = 0
        self._retry: DelayedCall | None = None
        self._failures = 0
        self._stopped = False

    @property
    def up(self) -> bool:
        """Whether the core is connected."""
        return self._link is not None

    def serve(self, namespace: str, methods: Mapping[str, Handler]) -> None:
        """Answer calls of the core to these methods of our topics."""
        for method, handler in methods.items():
            self._handlers[namespace, method] = handler

    def watch(self, connected: Callable[[], None]) -> None:
        """Call back after every connection to the core, the first included."""
        self._watchers.append(connected)

    def start(self) -> None:
        """Connect, and connect again whenever the link is lost."""
        self._connect()

    def stop(self) -> None:
        """Close the link and fail what waits on it."""
        self._stopped = True
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        for line in self._lines:
            line.close()
        if self._link is not None:
            self._link.close()

    def call(
        self, namespace: str, method: str, arguments: dict[str, Any], timeout_s: float
    ) -> defer.Deferred[Any]:
        """Call the conductor; the answer, or the error it raised.

        Fails with :class:`~iotronic_mec.errors.Unavailable` when the core is
        away or goes away, :class:`~iotronic_mec.errors.Busy` when too many
        calls wait, :class:`~iotronic_mec.errors.DeadlineExceeded` when no
        answer came within ``timeout_s``.
        """
        link = self._link
        if link is None:
            return defer.fail(errors.Unavailable("the core is not connected; try again later"))
        if len(link.waiting) >= self.max_in_flight:
            return defer.fail(errors.Busy())
        return link.call(self._order("call", namespace, method, arguments, timeout_s), timeout_s)

    def cast(self, namespace: str, method: str, arguments: dict[str, Any]) -> bool:
        """Tell the conductor something, without an answer.

        :returns: whether it was sent; ``False`` while the core is away
        """
        if self._link is None:
            return False
        self._link.send(self._order("cast", namespace, method, arguments, 60.0))
        return True

    def find_handler(self, frame: dict[str, Any]) -> Handler | None:
        """Return what serves a call of the core."""
        if frame.get("topic") not in self._topics:
            return None
        return self._handlers.get((str(frame.get("ns")), str(frame.get("m"))))

    def lost(self, link: Link) -> None:
        """Take note that a link or a line has ended; called by it."""
        if link in self._lines:
            self._lines.discard(link)
            self.reactor.callLater(LINE_RETRY_S, self._open_lines)
            return
        if self._link is link:
            self._link = None
            if not self._stopped:
                LOG.warning("the core closed the link")
        self._connect_later()

    @staticmethod
    def _order(
        kind: str, namespace: str, method: str, arguments: dict[str, Any], timeout_s: float
    ) -> dict[str, Any]:
        return {
            "t": kind,
            "topic": CONDUCTOR,
            "ns": namespace,
            "m": method,
            "a": arguments,
            "c": {**own_context(timeout_s).to_wire(), "remaining_s": timeout_s},
            "s": timeout_s,
        }

    def _connect(self) -> None:
        self._retry = None
        self._attempt().addCallbacks(self._connected, self._not_connected)

    def _connected(self, link: protocol.Protocol) -> None:
        assert isinstance(link, Link)
        if self._stopped:
            link.close()
            return
        self._failures = 0
        link.bridge = self
        self._link = link
        link.send(self._hello)
        LOG.info("connected to the core")
        self._open_lines()
        for watcher in self._watchers:
            watcher()

    def _attempt(self) -> defer.Deferred[Any]:
        factory = protocol.Factory.forProtocol(Link)
        attempt: defer.Deferred[Any] = self._endpoint.connect(  # type: ignore[no-untyped-call]
            factory
        )
        return attempt

    def _open_lines(self) -> None:
        while self.up and len(self._lines) + self._opening < self._wanted_lines:
            self._opening += 1
            self._attempt().addCallbacks(self._line_opened, self._line_not_opened)

    def _line_opened(self, line: Link) -> None:
        self._opening -= 1
        line.bridge = self
        self._lines.add(line)
        if self._stopped or not self.up:
            line.close()
        else:
            line.send({**self._hello, "line": True})

    def _line_not_opened(self, failure: Failure) -> None:
        self._opening -= 1
        LOG.info("a line to the core was not opened: %s", failure.getErrorMessage())

    def _not_connected(self, failure: Failure) -> None:
        if self._failures == 0:
            LOG.info("the core does not answer yet: %s", failure.getErrorMessage())
        self._failures += 1
        self._connect_later()

    def _connect_later(self) -> None:
        if self._stopped:
            return
        first_s, longest_s = BACK_OFF_S
        wait_s = min(longest_s, first_s * _GROWTH ** min(self._failures, 20))
        wait_s *= random.uniform(0.7, 1.0)  # noqa: S311 - spreads retries, no secret
        self._retry = self.reactor.callLater(wait_s, self._connect)


class Link(protocol.Protocol):
    """One connection to the core; made by the bridge."""

    transport: Any

    def __init__(self) -> None:
        self.bridge: Bridge | None = None
        self.waiting: dict[int, tuple[defer.Deferred[Any], DelayedCall]] = {}
        self._serving = 0
        self._numbers = itertools.count(1)
        self._unpacker = frames.Unpacker()

    def send(self, frame: dict[str, Any]) -> None:
        """Send one frame.

        :raises frames.FrameError: when it is over the size limit
        """
        packed = frames.pack(frame)
        if self.transport is not None:
            prompt.write(self.transport, packed)

    def close(self) -> None:
        """End the connection."""
        if self.transport is not None:
            self.transport.loseConnection()

    def call(self, frame: dict[str, Any], timeout_s: float) -> defer.Deferred[Any]:
        """Send a call and wait for its answer at most ``timeout_s``."""
        assert self.bridge is not None
        number = frame["id"] = next(self._numbers)
        try:
            self.send(frame)
        except frames.FrameError as error:
            return defer.fail(errors.TooLarge(str(error)))
        answer: defer.Deferred[Any] = defer.Deferred()
        timer = self.bridge.reactor.callLater(timeout_s, self._expire, number, timeout_s)
        self.waiting[number] = (answer, timer)
        return answer

    def dataReceived(self, data: bytes) -> None:
        """Take bytes from the socket; called by Twisted."""
        try:
            for frame in self._unpacker.feed(data):
                self._take(frame)
        except frames.FrameError as error:
            LOG.error("the core sent no frame, closing the link: %s", error)
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        """Fail what waits, and tell the bridge; called by Twisted."""
        waiting, self.waiting = self.waiting, {}
        for answer, timer in waiting.values():
            timer.cancel()
            answer.errback(errors.Unavailable("the core ended during the call; try again later"))
        if self.bridge is not None:
            self.bridge.lost(self)

    def _expire(self, number: int, timeout_s: float) -> None:
        answer, _ = self.waiting.pop(number)
        answer.errback(errors.DeadlineExceeded(f"no answer of the core within {timeout_s:g} s"))

    def _take(self, frame: dict[str, Any]) -> None:
        kind = frame.get("t")
        if kind == "call" or kind == "cast":
            self._serve(frame)
            return
        waiting = self.waiting.pop(frame.get("id", 0), None)
        if waiting is None:
            return
        answer, timer = waiting
        timer.cancel()
        if kind == "answer":
            answer.callback(frame.get("r"))
        else:
            answer.errback(errors.from_wire(frame.get("e") or {}))

    def _serve(self, frame: dict[str, Any]) -> None:
        assert self.bridge is not None
        handler = self.bridge.find_handler(frame)
        if handler is None:
            self._refuse(frame, errors.NotFound("the front has no such method"))
        elif self._serving >= MAX_SERVED:
            self._refuse(frame, errors.Busy())
        else:
            self._serving += 1
            defer.Deferred.fromCoroutine(self._run(handler, frame))

    async def _run(self, handler: Handler, frame: dict[str, Any]) -> None:
        try:
            set_asking(asking_of(frame))
            result = await handler(frame.get("a") or {}, float(frame.get("s") or 0.0))
            if frame["t"] == "call":
                self.send({"t": "answer", "id": frame.get("id"), "r": result})
        except errors.Error as error:
            self._refuse(frame, error)
        except frames.FrameError as error:
            self._refuse(frame, errors.TooLarge(str(error)))
        except Exception:  # the outer rim of RPC in this process
            LOG.exception("call %s.%s failed", frame.get("ns"), frame.get("m"))
            self._refuse(frame, errors.Error("internal error; the log of the front says more"))
        finally:
            self._serving -= 1

    def _refuse(self, frame: dict[str, Any], error: errors.Error) -> None:
        if frame["t"] == "call":
            self.send({"t": "error", "id": frame.get("id"), "e": error.to_wire()})
