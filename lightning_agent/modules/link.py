"""The supervisor as the agent sees it: requests over its Unix socket.

Starts the supervisor when nobody answers, as a process of its own session that
survives the agent; reconnects for ever; tells whoever asked that a (new)
supervisor is there and what happens in it. Reactor thread only.
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from lightning_agent.errors import (
    BadRequest,
    Error,
    SupervisorTimeout,
    SupervisorUnavailable,
    from_wire,
)
from lightning_agent.supervisor.client import launch
from lightning_agent.supervisor.frames import Unpacker, pack
from lightning_agent.supervisor.restore import SOCKET_NAME
from lightning_agent.waiting import in_background, sleep

LOG = logging.getLogger(__name__)

LOG_NAME = "supervisor.log"
PROTOCOL = 1
"""Version of the socket's protocol."""
REQUEST_LIMIT_S = 10.0
"""For a request whose method does not itself take longer."""
CONNECT_LIMIT_S = 5.0
STARTUP_LIMIT_S = 15.0
"""A supervisor that was started is given this long to listen."""
AGAIN_S = (0.05, 2.0)
"""First and longest wait between attempts to connect."""

Reply: TypeAlias = dict[str, Any]


class _Frames(Protocol):
    """One connection: frames in both directions."""

    transport: Any

    def __init__(self, link: Link) -> None:
        self._link = link
        self._unpacker = Unpacker()
        self.closed: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """Hand on complete messages."""
        try:
            messages = self._unpacker.feed(data)
        except BadRequest as error:
            LOG.error("the supervisor's answer is not understood: %s", error)
            self.transport.loseConnection()
            return
        for message in messages:
            self._link.received(message)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the loop that keeps the connection."""
        self.closed.callback(None)


def launch_supervisor(state_dir: Path) -> subprocess.Popen[bytes]:
    """Start a supervisor in a session of its own; its words go to ``supervisor.log``."""
    return launch(state_dir, log=state_dir / LOG_NAME)


class Link:
    """The connection to the supervisor; reactor thread only.

    :param spawn: starts a supervisor and returns its process; tests give another
    """

    def __init__(
        self,
        reactor: Any,
        state_dir: Path,
        *,
        spawn: Callable[[Path], subprocess.Popen[bytes]] | None = launch_supervisor,
    ) -> None:
        self._reactor = reactor
        self._state_dir = state_dir
        self._spawn = spawn
        self._child: subprocess.Popen[bytes] | None = None
        self._child_limit = 0.0
        self._connection: _Frames | None = None
        self._pending: dict[int, Deferred[Any]] = {}
        self._last_id = 0
        self._stopping = False
        self._loop: Deferred[None] | None = None
        self._connected: list[Deferred[bool]] = []
        self.hello: dict[str, Any] | None = None
        """What the supervisor said when it was connected; ``None`` while it is not."""
        self.on_connected: Callable[[], None] = lambda: None
        """Called after each connection."""
        self.on_event: Callable[[dict[str, Any]], None] = lambda event: None
        """Called with each event of the supervisor."""

    @property
    def level(self) -> str:
        """How well the supervisor confines plugins; ``refuse`` while it is not there."""
        return str(self.hello.get("level", "refuse")) if self.hello else "refuse"

    @property
    def mark(self) -> str:
        """A text that is another one for each start of a supervisor; empty without one."""
        return f"{self.hello.get('pid')} {self.hello.get('started_at')}" if self.hello else ""

    def start(self) -> None:
        """Begin to keep a connection."""
        self._loop = in_background(self._keep_connected(), "the supervisor's connection")

    def stop(self) -> None:
        """End the connection; the supervisor and its plugins stay."""
        self._stopping = True
        if self._connection is not None and self._connection.transport is not None:
            self._connection.transport.loseConnection()
        if self._loop is not None:
            self._loop.cancel()

    async def wait_connected(self, limit_s: float) -> bool:
        """Wait until the supervisor is there; return whether it is, at the limit."""
        if self.hello is not None:
            return True
        waiting: Deferred[bool] = Deferred()
        timer = self._reactor.callLater(limit_s, waiting.callback, False)
        self._connected.append(waiting)
        try:
            return await waiting
        finally:
            if waiting in self._connected:
                self._connected.remove(waiting)
            if timer.active():
                timer.cancel()

    async def request(
        self, method: str, *, limit_s: float = REQUEST_LIMIT_S, **arguments: Any
    ) -> Any:
        """Ask the supervisor and return its reply.

        :param limit_s: seconds to wait for the reply, > 0
        :raises SupervisorUnavailable: it is not there or went away; the request may
            have had its effect
        :raises SupervisorTimeout: no reply in time; likewise
        :raises Error: what the supervisor answered
        """
        if self.hello is None and not await self.wait_connected(min(CONNECT_LIMIT_S, limit_s)):
            raise SupervisorUnavailable(
                f"the supervisor does not answer; {self._state_dir / LOG_NAME} says why"
            )
        return await self._ask(method, limit_s, arguments)

    def received(self, message: dict[str, Any]) -> None:
        """Take one message of the supervisor."""
        if "event" in message:
            self.on_event(message)
            return
        number = message.get("id")
        pending = self._pending.pop(number, None) if isinstance(number, int) else None
        if pending is None:
            return
        if "e" in message:
            wire = message["e"]
            pending.errback(from_wire(wire if isinstance(wire, dict) else {}))
        else:
            pending.callback(message.get("r"))

    async def _ask(self, method: str, limit_s: float, arguments: dict[str, Any]) -> Any:
        connection = self._connection
        if connection is None or connection.transport is None:
            raise SupervisorUnavailable("the supervisor does not answer")
        self._last_id += 1
        number = self._last_id
        frame = pack({"id": number, "m": method, "a": arguments})

        def forget(_: Deferred[Any]) -> None:
            self._pending.pop(number, None)

        pending: Deferred[Any] = Deferred(forget)
        self._pending[number] = pending
        timer = self._reactor.callLater(limit_s, self._expire, number, method)
        connection.transport.write(frame)
        try:
            return await pending
        finally:
            if timer.active():
                timer.cancel()

    def _expire(self, number: int, method: str) -> None:
        pending = self._pending.pop(number, None)
        if pending is not None:
            pending.errback(SupervisorTimeout(f"the supervisor did not answer {method} in time"))

    async def _keep_connected(self) -> None:
        wait_s = AGAIN_S[0]
        while not self._stopping:
            if await self._connect():
                wait_s = AGAIN_S[0]
                await self._serve()
            elif not self._stopping:
                self._start_supervisor()
                await sleep(self._reactor, wait_s)
                wait_s = min(wait_s * 1.5, AGAIN_S[1])

    async def _connect(self) -> bool:
        path = str(self._state_dir / SOCKET_NAME)
        factory: Any = Factory.forProtocol(lambda: _Frames(self))
        factory.noisy = False
        endpoint: Any = UNIXClientEndpoint(  # type: ignore[no-untyped-call]
            self._reactor, path, timeout=CONNECT_LIMIT_S
        )
        try:
            self._connection = await endpoint.connect(factory)
        except (ConnectError, OSError) as error:
            LOG.debug("%s: %s", path, error)
            return False
        try:
            self.hello = await self._ask("hello", CONNECT_LIMIT_S, {"protocol": PROTOCOL})
        except Error as error:
            LOG.error("the supervisor does not say hello: %s", error)
            self._drop()
            return False
        return True

    async def _serve(self) -> None:
        assert self._connection is not None
        LOG.info("supervisor %s: connected, level %s", self.mark, self.level)
        connected, self._connected = self._connected, []
        for waiting in connected:
            if not waiting.called:
                waiting.callback(True)
        self.on_connected()
        await self._connection.closed
        LOG.log(
            logging.DEBUG if self._stopping else logging.WARNING,
            "supervisor %s: connection lost",
            self.mark,
        )
        self._drop()

    def _drop(self) -> None:
        self.hello = None
        connection, self._connection = self._connection, None
        if connection is not None and connection.transport is not None:
            connection.transport.loseConnection()
        pending, self._pending = self._pending, {}
        for waiting in pending.values():
            waiting.errback(SupervisorUnavailable("the supervisor went away"))

    def _start_supervisor(self) -> None:
        now = self._reactor.seconds()
        if self._child is not None:
            code = self._child.poll()
            if code is None and now < self._child_limit:
                return
            if code is not None and now < self._child_limit - STARTUP_LIMIT_S + AGAIN_S[1]:
                return
        if self._spawn is not None:
            LOG.info("starting a supervisor for %s", self._state_dir)
            self._child = self._spawn(self._state_dir)
            self._child_limit = now + STARTUP_LIMIT_S
