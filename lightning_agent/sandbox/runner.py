"""One run of a sandbox: feed it, watch it, kill its whole tree.

A :class:`Run` lives on the supervisor's loop and never blocks.  It answers once
(:class:`Answer`: result, error, time-out, or death without either) and ends once
(:class:`Exit`: the processes are gone).  Its process is a sandbox of its own or a fork of a
warm one; when that is killed the kernel kills everything inside.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from lightning_agent.errors import (
    Error,
    PluginFailed,
    PluginTimeout,
    ResultTooLarge,
    SandboxRefused,
)
from lightning_agent.sandbox import memory
from lightning_agent.sandbox.channel import (
    MAX_RESULT_BYTES,
    Decoder,
    MessageRefused,
    MessageTooLarge,
    dump,
    encode,
)
from lightning_agent.sandbox.process import Process

LOG = logging.getLogger(__name__)

GRACE_S = 5.0
"""Seconds between the request to stop and the kill."""

_CHUNK_BYTES = 64 * 1024
_BURST_BYTES = 2 * 1024 * 1024
_PAUSE_S = 0.25
_EXIT_S = 0.5
_LINE_BYTES = 4096


class Timer(Protocol):
    """Something that happens later."""

    def cancel(self) -> None:
        """Forget it; harmless when it has happened."""
        ...


class Loop(Protocol):
    """What a run needs of the supervisor's loop."""

    def watch(
        self,
        descriptor: int,
        on_readable: Callable[[], object] | None,
        on_writable: Callable[[], object] | None = None,
    ) -> None:
        """Call back whenever ``descriptor`` is ready; replaces an earlier watch."""
        ...

    def unwatch(self, descriptor: int) -> None:
        """Stop watching; harmless when it is not watched."""
        ...

    def later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call back once after ``delay_s`` seconds."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a run: ``value`` if :attr:`error` is ``None``, else the error."""

    value: object = None
    error: Error | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a run's process ended.

    :param code: exit code, ``None`` if a signal ended it
    :param signal: number of the signal, ``None`` if it exited
    :param cause: ``"finished"``, ``"failed"``, ``"timeout"``, ``"stopped"``, ``"killed"``,
        ``"memory"`` or ``"crashed"``
    """

    code: int | None
    signal: int | None
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Who is told about a run; all are called on the loop's thread.

    :param log: takes stream (``"stdout"``, ``"stderr"``, ``"log"``, ``"report"``) and lines
    :param answer: called exactly once, before ``end``
    :param end: called exactly once, when the processes are gone
    """

    log: Callable[[str, list[str]], None]
    answer: Callable[[Answer], None]
    end: Callable[[Exit], None]


_NOBODY = Listener(log=lambda *_: None, answer=lambda _: None, end=lambda _: None)


class Run:
    """A sandbox at work.

    :param process: its process, with pipes for its output
    :param connection: the supervisor's end of the channel
    :param order: the first message into the sandbox, encoded
    :param descriptors: what travels with the order; closed by the caller
    :param deadline_s: seconds until the tree is killed; ``None`` means no deadline
    """

    def __init__(
        self,
        *,
        loop: Loop,
        process: Process,
        connection: socket.socket,
        order: bytes,
        listener: Listener,
        deadline_s: float | None,
        descriptors: Sequence[int] = (),
    ) -> None:
        self._loop = loop
        self._process = process
        self._connection = connection
        self._listener = listener
        self._decoder = Decoder()
        self._outgoing = bytearray(order)
        self._answered = False
        self._ready = False
        self._cause: str | None = None
        self._timers: list[Timer] = []
        self._limit_bytes = memory.board_limit_bytes()
        self._complaint = b""
        self._taken_bytes = 0
        self._paused = False
        self._pipes = {
            stream.fileno(): name
            for stream, name in ((process.stdout, "stdout"), (process.stderr, "stderr"))
            if stream is not None
        }
        if descriptors:
            # with the first byte; what is left of the order goes the usual way
            sent = socket.send_fds(connection, [self._outgoing], descriptors)
            del self._outgoing[:sent]
        self._begin(deadline_s)

    @property
    def pid(self) -> int:
        """The host's process id of the sandbox's process; 0 where it is not known yet."""
        return self._process.pid

    def stop(self) -> None:
        """Ask the plugin to stop and kill it :data:`GRACE_S` later."""
        if self._cause is None:
            self._cause = "stopped"
        self._send({"t": "stop"})
        self._timers.append(self._loop.later(GRACE_S, lambda: self.kill("killed")))

    def kill(self, cause: str) -> None:
        """Kill the whole tree now.

        :param cause: recorded unless the plugin has given its answer already
        """
        if self._process.returncode is not None:
            return
        if self._cause is None or cause == "killed":
            self._cause = cause
        self._process.kill()

    def _begin(self, deadline_s: float | None) -> None:
        self._connection.setblocking(False)
        for descriptor in self._pipes:
            os.set_blocking(descriptor, False)
        if self._outgoing:
            self._flush()
        self._watch_outputs()
        self._loop.watch(self._process.fileno(), self._reap)
        if deadline_s is not None:
            self._timers.append(self._loop.later(deadline_s, lambda: self._time_out(deadline_s)))
        first_s = memory.pause_s(0, self._limit_bytes)
        self._weighing = self._loop.later(first_s, self._weigh)

    def _weigh(self) -> None:
        held = memory.held_bytes(self.pid, self._limit_bytes)
        if held > self._limit_bytes:
            self.kill("memory")
        pause_s = memory.pause_s(held, self._limit_bytes)
        self._weighing = self._loop.later(pause_s, self._weigh)

    def _watch_outputs(self) -> None:
        if self._connection.fileno() >= 0:
            on_writable = self._flush if self._outgoing else None
            on_readable = None if self._paused else self._read_channel
            self._loop.watch(self._connection.fileno(), on_readable, on_writable)
        for descriptor in self._pipes:
            reader = None if self._paused else self._pipe_reader(descriptor)
            self._loop.watch(descriptor, reader)

    def _pipe_reader(self, descriptor: int) -> Callable[[], object]:
        return lambda: self._read_pipe(descriptor)

    def _send(self, message: dict[str, object]) -> None:
        if self._connection.fileno() >= 0:
            self._outgoing += encode(message)
            self._watch_outputs()

    def _flush(self) -> None:
        try:
            sent = self._connection.send(self._outgoing)
        except BlockingIOError:
            return
        except OSError:
            sent = len(self._outgoing)  # nobody is left to read it
        del self._outgoing[:sent]
        if not self._outgoing:
            self._watch_outputs()

    def _read_channel(self) -> None:
        try:
            received = self._connection.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self._loop.unwatch(self._connection.fileno())
            self._connection.close()
            return
        self._take(len(received))
        try:
            for message in self._decoder.feed(received):
                self._receive(message)
        except MessageTooLarge:
            text = f"the result is larger than {MAX_RESULT_BYTES} bytes"
            self._refuse(ResultTooLarge(text))
        except MessageRefused as error:
            self._refuse(PluginFailed(f"the plugin broke its channel: {error}"))

    def _refuse(self, error: Error) -> None:
        self._answer(Answer(error=error))
        self.kill("failed")

    def _receive(self, message: dict[str, object]) -> None:
        kind = message.get("t")
        if kind == "ready":
            self._ready = True
        elif kind == "log":
            lines = message.get("x")
            stream = message.get("s")
            if isinstance(lines, list) and stream in ("stdout", "stderr", "log"):
                self._listener.log(str(stream), [str(line) for line in lines])
        elif kind == "report":
            self._listener.log("report", [dump(message.get("v")).decode()[:_LINE_BYTES]])
        elif kind == "result":
            self._cause = self._cause or "finished"
            self._answer(Answer(value=message.get("v")))
            self._kill_soon()
        elif kind == "error":
            self._cause = self._cause or "failed"
            self._answer(Answer(error=_tenant_error(message)))
            self._kill_soon()

    def _kill_soon(self) -> None:
        """Let the inner side exit by itself, but not linger after its answer."""
        self._timers.append(self._loop.later(_EXIT_S, lambda: self.kill("finished")))

    def _read_pipe(self, descriptor: int) -> bool:
        """Take one chunk; return whether there may be more."""
        try:
            received = os.read(descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            return False
        name = self._pipes[descriptor]
        if not received:
            self._loop.unwatch(descriptor)
            del self._pipes[descriptor]
            return False
        self._take(len(received))
        if name == "stderr" and not self._ready:
            self._complaint = (self._complaint + received)[-2000:]
        else:
            lines = received.decode(errors="replace").rstrip("\n").split("\n")
            self._listener.log(name, [line[:_LINE_BYTES] for line in lines])
        return True

    def _take(self, size_bytes: int) -> None:
        """Pause reading for a moment when more than a burst came, so that one cannot flood."""
        self._taken_bytes += size_bytes
        if self._taken_bytes >= _BURST_BYTES and not self._paused:
            self._paused = True
            self._watch_outputs()
            self._timers.append(self._loop.later(_PAUSE_S, self._resume))

    def _resume(self) -> None:
        self._taken_bytes = 0
        self._paused = False
        if self._process.returncode is None:
            self._watch_outputs()

    def _time_out(self, deadline_s: float) -> None:
        text = f"the plugin was still running after {deadline_s:g} s and was killed"
        self.kill("timeout")
        self._answer(Answer(error=PluginTimeout(text, details={"deadline_s": deadline_s})))

    def _answer(self, answer: Answer) -> None:
        if not self._answered:
            self._answered = True
            self._listener.answer(answer)

    def _reap(self) -> None:
        code = self._process.poll()
        if code is None:
            return
        self._loop.unwatch(self._process.fileno())
        self._process.close()
        self._drain()
        ended = self._exit(code)
        if not self._answered:
            self._answer(Answer(error=self._death(ended)))
        self._close()
        listener, self._listener = self._listener, _NOBODY
        listener.end(ended)

    def _drain(self) -> None:
        """Take what the dead sandbox left in the channel and the pipes, up to a burst."""
        self._paused = True
        for _ in range(_BURST_BYTES // _CHUNK_BYTES):
            if self._answered or self._connection.fileno() < 0:
                break
            self._read_channel()
        for descriptor in list(self._pipes):
            for _ in range(_BURST_BYTES // _CHUNK_BYTES):
                if not self._read_pipe(descriptor):
                    break

    def _close(self) -> None:
        """Let everything go at once; a megabyte in a cycle would wait for the collector."""
        for timer in (*self._timers, self._weighing):
            timer.cancel()
        self._timers.clear()
        self._decoder = Decoder()
        self._outgoing.clear()
        if self._connection.fileno() >= 0:
            self._loop.unwatch(self._connection.fileno())
            self._connection.close()
        for descriptor in self._pipes:
            self._loop.unwatch(descriptor)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _exit(self, code: int) -> Exit:
        # bubblewrap passes on the death of what it runs as 128 + signal.
        number = -code if code < 0 else code - 128 if 128 < code < 193 else None
        cause = self._cause or ("finished" if code == 0 else "crashed")
        return Exit(code=code if number is None else None, signal=number, cause=cause)

    def _death(self, ended: Exit) -> Error:
        detail = self._complaint.decode(errors="replace").strip() or self._process.complaint
        if not self._ready and detail:
            return SandboxRefused(
                f"the sandbox could not be started: {detail[-500:]}; run lightning-agent doctor"
            )
        if self._cause in ("stopped", "killed"):
            return PluginFailed("the plugin was stopped", details={"type": "Stopped"})
        if self._cause == "memory":
            text = f"the plugin held more than {self._limit_bytes >> 20} MiB and was killed"
            return PluginFailed(text, details={"type": "OutOfMemory"})
        how = f"signal {ended.signal}" if ended.signal else f"exit code {ended.code}"
        return PluginFailed(
            f"the plugin's process ended without a result ({how})",
            details={"type": "Crashed", "code": ended.code, "signal": ended.signal},
        )


def _tenant_error(message: dict[str, object]) -> Error:
    text = str(message.get("message", "the plugin failed"))[:1000]
    if message.get("code") == "result_too_large":
        return ResultTooLarge(text)
    details = {
        "type": str(message.get("type", ""))[:100],
        "traceback": str(message.get("traceback", ""))[: 32 * 1024],
    }
    return PluginFailed(text, details=details)
