"""A blocking client of the supervisor, for ``doctor``, scripts and tests.

The agent itself uses an adapter on its reactor; this one blocks::

    with SupervisorClient(state_dir / "supervisor.sock") as supervisor:
        supervisor.request("hello", protocol=1)
"""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lightning_agent.errors import Error, SupervisorTimeout, SupervisorUnavailable, from_wire
from lightning_agent.supervisor.frames import Unpacker, pack
from lightning_agent.supervisor.restore import SOCKET_NAME

DEFAULT_TIMEOUT_S = 30.0
"""Seconds a request may take unless the caller says otherwise."""

_MEMORY_SETTINGS = {
    # Large buffers go back to the system when they are freed, instead of staying in the heap.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "131072",
}


class SupervisorClient:
    """One connection to the supervisor; not safe to use from two threads.

    :param path: the supervisor's socket
    :param connect_timeout_s: seconds to wait for the connection
    :raises SupervisorUnavailable: nobody listens
    """

    def __init__(self, path: Path, *, connect_timeout_s: float = 5.0) -> None:
        self.events: deque[dict[str, object]] = deque(maxlen=1000)
        """Events that came and were not taken by :meth:`wait_event`, the oldest first."""
        self._unpacker = Unpacker()
        self._answers: dict[int, dict[str, object]] = {}
        self._numbers = itertools.count(1)
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection.settimeout(connect_timeout_s)
        try:
            self._connection.connect(os.fspath(path))
        except OSError as error:
            self._connection.close()
            raise SupervisorUnavailable(f"no supervisor listens at {path}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def request(
        self, method: str, *, timeout_s: float = DEFAULT_TIMEOUT_S, **arguments: object
    ) -> dict[str, Any]:
        """Ask for ``method`` and return its result.

        :raises SupervisorTimeout: no answer within ``timeout_s``; it may have been carried out
        :raises SupervisorUnavailable: the connection is lost
        :raises Error: the error that the supervisor answered
        """
        return self.wait(self.send(method, **arguments), timeout_s=timeout_s)

    def send(self, method: str, **arguments: object) -> int:
        """Send a request without waiting; return its number for :meth:`wait`."""
        number = next(self._numbers)
        self._connection.settimeout(DEFAULT_TIMEOUT_S)
        try:
            self._connection.sendall(pack({"id": number, "m": method, "a": arguments}))
        except OSError as error:
            raise SupervisorUnavailable("the connection to the supervisor is lost") from error
        return number

    def wait(self, number: int, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> dict[str, Any]:
        """Wait for the answer to request ``number``; errors as :meth:`request`."""
        end = time.monotonic() + timeout_s
        while number not in self._answers:
            self._receive(end)
        answer = self._answers.pop(number)
        error = answer.get("e")
        if isinstance(error, dict):
            raise from_wire(error)
        result = answer.get("r")
        if not isinstance(result, dict):
            raise Error("the supervisor answered without a result")
        return result

    def wait_event(self, *, timeout_s: float) -> dict[str, object]:
        """Return the oldest event not yet taken, waiting for one if there is none.

        :raises SupervisorTimeout: none came within ``timeout_s``
        """
        end = time.monotonic() + timeout_s
        while not self.events:
            self._receive(end)
        return self.events.popleft()

    def close(self) -> None:
        """Close the connection; calls of this client that still run are killed."""
        self._connection.close()

    def _receive(self, end: float) -> None:
        left_s = end - time.monotonic()
        if left_s <= 0:
            raise SupervisorTimeout("the supervisor did not answer in time")
        self._connection.settimeout(left_s)
        try:
            received = self._connection.recv(65536)
        except TimeoutError as error:
            raise SupervisorTimeout("the supervisor did not answer in time") from error
        except OSError as error:
            raise SupervisorUnavailable("the connection to the supervisor is lost") from error
        if not received:
            raise SupervisorUnavailable("the supervisor closed the connection")
        for message in self._unpacker.feed(received):
            number = message.get("id")
            if isinstance(number, int):
                self._answers[number] = message
            else:
                self.events.append(message)


def launch(state_dir: Path, *, log: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a supervisor for ``state_dir``, in a session of its own: it outlives the caller.

    It is not waited for: connect to ``state_dir/supervisor.sock`` until that works.

    :param log: file that gets its messages; ``None`` means that they are lost
    """
    output: int = subprocess.DEVNULL
    if log is not None:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    command = [sys.executable, "-m", "lightning_agent.supervisor"]
    try:
        return subprocess.Popen(
            [*command, "--state-dir", os.fspath(state_dir)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **_MEMORY_SETTINGS},
            start_new_session=True,
        )
    finally:
        if log is not None:
            os.close(output)


def connect(state_dir: Path, *, timeout_s: float) -> SupervisorClient:
    """Connect to the supervisor of ``state_dir``, trying until it answers.

    An answer is asked for, since the socket of a killed supervisor may accept for a moment more.

    :raises SupervisorUnavailable: it does not within ``timeout_s``
    """
    end = time.monotonic() + timeout_s
    while True:
        try:
            return _connect_once(state_dir / SOCKET_NAME, timeout_s)
        except SupervisorUnavailable:
            if time.monotonic() >= end:
                raise
            time.sleep(0.02)


def listens(state_dir: Path) -> bool:
    """Return whether a supervisor takes connections at ``state_dir``; it is asked nothing."""
    try:
        SupervisorClient(state_dir / SOCKET_NAME).close()
    except SupervisorUnavailable:
        return False
    return True


def _connect_once(path: Path, timeout_s: float) -> SupervisorClient:
    client = SupervisorClient(path)
    try:
        client.request("hello", protocol=1, timeout_s=timeout_s)
    except Error:
        client.close()
        raise
    return client
