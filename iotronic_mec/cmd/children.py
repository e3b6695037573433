"""Child processes: started, restarted with back-off, ended together.

Each child leads its own process group and dies with this process, even when this
process is killed (:mod:`iotronic_mec.cmd.tether`). Reactor thread only.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisted.internet import error, protocol
from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from iotronic_mec.cmd import tether

LOG = logging.getLogger(__name__)

GRACE_S = 3.5
"""Seconds between SIGTERM and SIGKILL; all children end within 5 s."""

BACK_OFF_S = (0.2, 15.0)
"""First and longest wait before a restart, seconds."""

STEADY_S = 30.0
"""A child that ran this long starts with the first wait again, seconds."""

LOOP_ENDS = 5
"""This many ends within :data:`LOOP_S` are reported as a crash loop."""

LOOP_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run and how it is treated.

    :param parent_death: signal the kernel sends when this process dies
    :param open_log: opens the file for its output
    :param prepare: run before each start
    :param given: bytes for its standard input
    :param restart: whether it is started again when it ends
    :param cause: says why it cannot run where this can be known without its log
    """

    name: str
    command: list[str]
    open_log: Callable[[], int]
    log_path: Path
    parent_death: int = signal.SIGKILL
    prepare: Callable[[], None] = lambda: None
    given: bytes = b""
    restart: bool = True
    cause: Callable[[], str | None] = lambda: None
    environment: dict[str, str] = field(default_factory=dict)


class Child:
    """One supervised child.

    :param troubled: told a sentence when it ends again and again
    """

    def __init__(self, reactor: Any, program: Program, troubled: Callable[[str], None]) -> None:
        self.program = program
        self.ends = 0
        self.last_end = ""
        self._reactor = reactor
        self._troubled = troubled
        self._process: Any = None
        self._pid = 0
        self._started_s = 0.0
        self._wait_s = BACK_OFF_S[0]
        self._recent: deque[float] = deque(maxlen=LOOP_ENDS)
        self._retry: DelayedCall | None = None
        self._kill: DelayedCall | None = None
        self._stopping = False
        self._ended: list[Deferred[None]] = []

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._pid if self._process is not None else None

    def start(self) -> None:
        """Start it; it is started again whenever it ends."""
        self._retry = None
        program = self.program
        program.prepare()
        log = program.open_log()
        command = [
            sys.executable,
            "-I",
            "-S",
            tether.__file__,
            str(os.getpid()),
            str(int(program.parent_death)),
            *program.command,
        ]
        self._started_s = self._reactor.seconds()
        try:
            self._process = self._reactor.spawnProcess(
                _Watch(self),
                command[0],
                command,
                env={**os.environ, **program.environment},
                childFDs={0: "w", 1: log, 2: log},
            )
        finally:
            os.close(log)
        self._pid = self._process.pid
        if program.given:
            self._process.write(program.given)
        self._process.closeStdin()
        LOG.info("started %s as process %d", program.name, self._pid)

    def stop(self) -> Deferred[None]:
        """End it: SIGTERM, after a while SIGKILL to its whole group."""
        self._stopping = True
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._process is None:
            return succeed(None)
        ended: Deferred[None] = Deferred()
        self._ended.append(ended)
        if self._kill is None:
            with contextlib.suppress(error.ProcessExitedAlready):
                self._process.signalProcess("TERM")
            self._kill = self._reactor.callLater(GRACE_S, self._kill_group)
        return ended

    def wait(self) -> Deferred[None]:
        """Wait for its next end."""
        ended: Deferred[None] = Deferred()
        self._ended.append(ended)
        return ended

    def last_words(self) -> str:
        """Return why it ended: a known cause, else the last line of its log."""
        known = self.program.cause()
        if known is not None:
            return known
        try:
            with self.program.log_path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
                lines = file.read().decode("utf-8", "replace").split("\n")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def ended(self, status: str) -> None:
        """Take note of its end; called by the watch."""
        self._process = None
        self.ends += 1
        self.last_end = status
        _kill_rest(self._pid)
        if self._kill is not None and self._kill.active():
            self._kill.cancel()
        waiting, self._ended = self._ended, []
        for waiter in waiting:
            waiter.callback(None)
        if self._stopping or not self.program.restart:
            LOG.info("%s %s", self.program.name, status)
            return
        LOG.warning("%s %s; it is started again", self.program.name, status)
        self._restart_later()

    def _restart_later(self) -> None:
        now_s = self._reactor.seconds()
        if now_s - self._started_s > STEADY_S:
            self._wait_s = BACK_OFF_S[0]
        self._recent.append(now_s)
        if len(self._recent) == LOOP_ENDS and now_s - self._recent[0] < LOOP_S:
            self._recent.clear()
            self._troubled(
                f"{self.program.name} ended {LOOP_ENDS} times within a minute "
                f"({self.last_end}): {self.last_words()} [{self.program.log_path}]"
            )
        self._retry = self._reactor.callLater(self._wait_s, self.start)
        self._wait_s = min(self._wait_s * 2, BACK_OFF_S[1])

    def _kill_group(self) -> None:
        self._kill = None
        if self._process is not None:
            LOG.warning("%s does not end, killing it", self.program.name)
            with contextlib.suppress(error.ProcessExitedAlready):
                self._process.signalProcess("KILL")
            _kill_rest(self._pid)


class _Watch(protocol.ProcessProtocol):
    """Tells the child's end."""

    def __init__(self, child: Child) -> None:
        self._child = child

    def processEnded(self, reason: Failure) -> None:
        ending = reason.value
        number = getattr(ending, "signal", None)
        if number:
            status = f"was ended by {signal.Signals(number).name}"
        else:
            status = f"ended with exit status {getattr(ending, 'exitCode', None)}"
        self._child.ended(status)


def _kill_rest(leader: int) -> None:
    """Kill what is left of a process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
