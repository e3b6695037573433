"""The ``local`` transport: framed calls in both directions over ``DIR/rpc.sock``.

The conductor listens; the front process and the ``iotronic-mec user|token``
commands connect. A connector names the topics it serves in its ``hello``, so
the conductor can call it back over the same link. Threads only; the front's
reactor end is :mod:`iotronic_mec.bridge`.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import Any

from iotronic_mec import errors, frames
from iotronic_mec.context import Context
from iotronic_mec.rpc.line import Line

LOG = logging.getLogger(__name__)

MAX_PENDING = 1024
"""Most calls one link may have waiting for an answer."""

WORKERS = 16
"""Threads that run incoming calls; a call that waits for a board holds one."""

AGENT_TOPIC = "wamp."
"""A wamp agent serves ``wamp.<its uuid>``."""

TELL_LIMIT_S = 5.0
"""Seconds one wamp agent has to take what all are told."""

SEND_TIMEOUT_S = 10
"""Longest wait for the other side to take a frame, seconds; then the link is
closed: part of the frame may have been sent."""


class Link:
    """One connection; calls may go both ways at once.

    :param connection: a connected Unix socket
    :param answer: runs an incoming call and returns the answering frame
    :param pool: where incoming calls run
    """

    def __init__(
        self,
        connection: socket.socket,
        answer: Callable[[dict[str, Any]], dict[str, Any]] | None,
        pool: ThreadPoolExecutor | None,
    ) -> None:
        limit = struct.pack("@ll", SEND_TIMEOUT_S, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self._connection = connection
        self._answer = answer
        self._pool = pool
        self._sending = threading.Lock()
        self._numbers = itertools.count(1)
        self._pending: dict[int, Future[Any]] = {}
        self._reader = frames.Reader(connection)
        self._lines: list[Line] = []
        self._closed = False
        self.name = ""
        self.topics: tuple[str, ...] = ()

    def send(self, frame: dict[str, Any]) -> None:
        """Send one frame; any thread; blocks up to :data:`SEND_TIMEOUT_S`.

        :raises errors.Unavailable: when the link is closed
        :raises errors.TooLarge: when no frame can hold it
        """
        try:
            packed = frames.pack(frame)
            with self._sending:
                self._connection.sendall(packed)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
            raise errors.Unavailable("the other process has closed the link") from error
        except frames.FrameError as error:
            raise errors.TooLarge(str(error)) from error

    def call(
        self,
        topic: str,
        namespace: str,
        method: str,
        arguments: dict[str, Any],
        context: Context,
        timeout_s: float,
    ) -> Any:
        """Call the other side and wait at most ``timeout_s``; any thread.

        :raises errors.DeadlineExceeded: no answer in time
        :raises errors.Unavailable: the link broke
        """
        if len(self._pending) >= MAX_PENDING:
            raise errors.Busy()
        number = next(self._numbers)
        order = {
            "t": "call",
            "id": number,
            "topic": topic,
            "ns": namespace,
            "m": method,
            "a": arguments,
            "c": context.to_wire(),
            "s": timeout_s,
        }
        line = self._take_line()
        if line is not None:
            return self._call_on(line, order, timeout_s)
        future: Future[Any] = Future()
        self._pending[number] = future
        try:
            self.send(order)
            return future.result(timeout_s)
        except FutureTimeout as error:
            raise errors.DeadlineExceeded(f"no answer within {timeout_s:.1f} s") from error
        finally:
            self._pending.pop(number, None)

    def serve(self) -> None:
        """Read frames until the link closes; runs in the link's own thread."""
        try:
            while (frame := self.read()) is not None:
                self.take(frame)
        except (OSError, frames.FrameError) as error:
            LOG.info("link %s ended: %s", self.name, error)
        finally:
            self.close()

    def read(self) -> dict[str, Any] | None:
        """Read the next frame; in the link's own thread."""
        return self._reader.read()

    def add_line(self, line: Line) -> None:
        """Take a further connection of the other side, for calls of one thread."""
        self._lines.append(line)
        if self._closed:
            line.close()

    def close(self) -> None:
        """Close the link and fail every call that waits on it."""
        self._closed = True
        while (line := self._take_line()) is not None:
            line.close()
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
        for future in list(self._pending.values()):
            if not future.done():
                future.set_exception(errors.Unavailable("the other process closed the link"))

    def _take_line(self) -> Line | None:
        try:
            # the one used last: its buffers are warm
            return self._lines.pop()
        except IndexError:
            return None

    def _call_on(self, line: Line, order: dict[str, Any], timeout_s: float) -> Any:
        try:
            answer = line.ask(order, timeout_s)
        except errors.TooLarge:
            self.add_line(line)
            raise
        except errors.Error:
            line.close()
            raise
        self.add_line(line)
        if answer.get("t") == "answer":
            return answer.get("r")
        raise errors.from_wire(answer.get("e") or {})

    def take(self, frame: dict[str, Any]) -> None:
        """Act on one frame of the other side."""
        kind = frame.get("t")
        if kind in ("answer", "error"):
            future = self._pending.pop(int(frame.get("id") or 0), None)
            if future is None or future.done():
                return
            if kind == "answer":
                future.set_result(frame.get("r"))
            else:
                future.set_exception(errors.from_wire(frame.get("e") or {}))
        elif kind == "hello":
            self.name = str(frame.get("name", ""))
            self.topics = tuple(str(topic) for topic in frame.get("topics") or ())
            LOG.info("link of %s serves %s", self.name, ", ".join(self.topics) or "nothing")
        elif kind in ("call", "cast") and self._answer and self._pool:
            self._pool.submit(self._run, frame, kind == "call")

    def _run(self, frame: dict[str, Any], answers: bool) -> None:
        if self._answer is None:
            return
        answer = self._answer(frame)
        if not answers:
            return
        try:
            self.send(answer)
        except errors.TooLarge as error:
            self.send({"t": "error", "id": frame.get("id"), "e": error.to_wire()})
        except errors.Unavailable:
            LOG.info("link %s closed before call %s was answered", self.name, frame.get("id"))


class LocalServer:
    """Listens on a Unix socket and knows which link serves which topic.

    :param path: of the socket, in a folder of mode 0700
    :param answer: the dispatcher's ``answer``
    """

    def __init__(self, path: Path, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._path = path
        self._answer = answer
        self._links: list[Link] = []
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="rpc")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def start(self) -> None:
        """Listen and accept in a thread of its own."""
        self._path.unlink(missing_ok=True)
        self._listener.bind(str(self._path))
        os.chmod(self._path, 0o600)
        self._listener.listen(64)
        threading.Thread(target=self._accept, name="rpc-accept", daemon=True).start()

    def stop(self) -> None:
        """Close all links; calls that wait fail at once."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            links, self._links = self._links, []
        for link in links:
            link.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def call(
        self,
        agent: str,
        namespace: str,
        method: str,
        arguments: dict[str, Any],
        context: Context,
        timeout_s: float,
    ) -> Any:
        """Call one wamp agent and wait at most ``timeout_s``; any thread.

        :raises errors.RouterUnavailable: it is not connected; nothing was sent
        """
        topic = AGENT_TOPIC + agent
        link = self.find(topic)
        if link is None:
            raise errors.RouterUnavailable("the wamp agent of this board is not connected")
        return link.call(topic, namespace, method, arguments, context, timeout_s)

    def tell_all(
        self, namespace: str, method: str, arguments: dict[str, Any], context: Context
    ) -> None:
        """Tell every connected wamp agent, one after another; any thread.

        One that is not connected reads everything anew when it comes back.

        :raises errors.Error: one of them did not take it
        """
        for topic in self.topics(AGENT_TOPIC):
            agent = topic.removeprefix(AGENT_TOPIC)
            self.call(agent, namespace, method, arguments, context, TELL_LIMIT_S)

    def find(self, topic: str) -> Link | None:
        """Return the newest link that serves the topic."""
        with self._lock:
            return next((link for link in reversed(self._links) if topic in link.topics), None)

    def topics(self, prefix: str) -> list[str]:
        """Return the topics with this prefix that some link serves."""
        with self._lock:
            found = {topic for link in self._links for topic in link.topics}
        return sorted(topic for topic in found if topic.startswith(prefix))

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            link = Link(connection, self._answer, self._pool)
            with self._lock:
                self._links.append(link)
            threading.Thread(
                target=self._serve, args=(link, connection), name="rpc-link", daemon=True
            ).start()

    def _serve(self, link: Link, connection: socket.socket) -> None:
        if not self._is_line(link, connection):
            link.serve()
        with self._lock:
            if link in self._links:
                self._links.remove(link)

    def _is_line(self, link: Link, connection: socket.socket) -> bool:
        """Read a connection's first frame; say whether it is a line, and add it to its link."""
        try:
            hello = link.read()
        except (OSError, frames.FrameError):
            hello = None
        if hello is None:
            return False
        if hello.get("t") != "hello" or not hello.get("line"):
            link.take(hello)
            return False
        topics = hello.get("topics") or [""]
        owner = self.find(str(topics[0]))
        if owner is None:
            connection.close()
        else:
            owner.add_line(Line(connection))
        return True


def connect(path: Path, name: str, timeout_s: float = 5.0) -> Link:
    """Connect as a caller; for the command line tools.

    :raises errors.Unavailable: nobody listens there
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        connection.connect(str(path))
    except OSError as error:
        connection.close()
        raise errors.Unavailable(f"no conductor listens on {path}") from error
    connection.settimeout(None)
    link = Link(connection, None, None)
    threading.Thread(target=link.serve, name=f"rpc-{name}", daemon=True).start()
    link.send({"t": "hello", "name": name, "topics": []})
    return link
