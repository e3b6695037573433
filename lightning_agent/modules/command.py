"""One program of the board, run by an argument list: no shell, a time limit, bounded output."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from lightning_agent.errors import Error

MAX_OUTPUT = 32_768
"""Bytes of output kept: the last ones, where programs say what went wrong."""

POLL_S = 0.2


class CommandFailed(Error):
    """The program could not be run, or ended with an error; details hold its output."""

    code = "command_failed"


class CommandTimeout(Error):
    """The program was not done in time and was killed with all it had started."""

    code = "command_timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a program ended; ``output`` is what it said last, both streams together."""

    code: int
    output: str


def run_command(argv: Sequence[str], limit_s: float) -> Outcome:
    """Run a program and wait for it; blocks up to ``limit_s``.

    It gets no input, a small environment and a session of its own.

    :raises CommandFailed: there is no such program, or it may not be run
    :raises CommandTimeout: the limit was reached
    """
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(),
            start_new_session=True,
            cwd="/",
        )
    except OSError as error:
        raise CommandFailed(f"{argv[0]}: {error.strerror}", details={"output": ""}) from error
    until = time.monotonic() + limit_s
    try:
        output = _gather(process, until)
        code = process.wait(max(until - time.monotonic(), 0.01))
    except (TimeoutError, subprocess.TimeoutExpired) as error:
        _kill(process)
        raise CommandTimeout(f"{argv[0]} was not done within {limit_s:g} s") from error
    finally:
        assert process.stdout is not None
        process.stdout.close()
    return Outcome(code=code, output=output.decode("utf-8", "replace"))


def environment() -> dict[str, str]:
    """Return the environment of programs: nothing of the agent's but the path."""
    return {
        "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        "HOME": os.environ.get("HOME", "/root"),
        "LANG": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        "PIP_NO_INPUT": "1",
    }


def _gather(process: subprocess.Popen[bytes], until: float) -> bytes:
    """Read until the output ends or the program does; keep the last bytes."""
    assert process.stdout is not None
    kept = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            if selector.select(min(left, POLL_S)):
                piece = os.read(process.stdout.fileno(), 65_536)
                if not piece:
                    return kept
                kept = (kept + piece)[-MAX_OUTPUT:]
            elif process.poll() is not None:
                return kept  # something it left behind holds the pipe


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait(5)
