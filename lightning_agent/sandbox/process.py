"""The supervisor's hold on a sandbox's process: one it started itself, or a fork of another.

Both are watched by a descriptor, end once, and are killed with all that is below them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

from lightning_agent.sandbox.launcher import kill
from lightning_agent.sandbox.zygote import BORN, STATUS

KILLED = -int(signal.SIGKILL)


class Process(Protocol):
    """What a run needs of its process."""

    @property
    def pid(self) -> int:
        """The host's process id; 0 where it is not known."""
        ...

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; ``None`` while it lives."""
        ...

    @property
    def stdout(self) -> IO[bytes] | None:
        """What it prints."""
        ...

    @property
    def stderr(self) -> IO[bytes] | None:
        """What it complains of."""
        ...

    @property
    def complaint(self) -> str:
        """Why it could not even be made, where that is known."""
        ...

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is something to :meth:`poll`."""
        ...

    def poll(self) -> int | None:
        """Look whether it has ended; return its exit code."""
        ...

    def kill(self) -> None:
        """Kill it with all that is below it."""
        ...

    def close(self) -> None:
        """Let the descriptor go; after its end."""
        ...


class Spawned:
    """A sandbox of its own.

    :param process: bubblewrap, started by this process
    """

    complaint = ""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._pidfd = os.pidfd_open(process.pid)
        self.stdout = process.stdout
        self.stderr = process.stderr

    @property
    def pid(self) -> int:
        """The host's process id."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code."""
        return self._process.returncode

    def fileno(self) -> int:
        """Return its pidfd."""
        return self._pidfd

    def poll(self) -> int | None:
        """Reap it if it has ended."""
        return self._process.poll()

    def kill(self) -> None:
        """Kill its group."""
        kill(self._process)

    def close(self) -> None:
        """Close the pidfd."""
        os.close(self._pidfd)


class Forked:
    """A fork of a warm sandbox.

    :param ends: where its birth and its end are told
    :param channel: our end of its channel
    :param outputs: what it prints and complains of
    :param lost: ends the sandbox it is forked from, and says what that complained of
    """

    def __init__(
        self,
        ends: socket.socket,
        channel: socket.socket,
        outputs: tuple[IO[bytes], IO[bytes]],
        lost: Callable[[], str],
    ) -> None:
        ends.setblocking(False)
        self.channel = channel
        self.stdout, self.stderr = outputs
        self.returncode: int | None = None
        self.complaint = ""
        self._ends = ends
        self._lost = lost
        self._pidfd: int | None = None
        self._received = b""
        self._ended: Callable[[Forked], None] = lambda _: None

    def on_end(self, ended: Callable[[Forked], None]) -> None:
        """Have a function called when its end is known."""
        self._ended = ended

    @property
    def pid(self) -> int:
        """The host's process id; 0 before it is known."""
        if self._pidfd is None:
            return 0
        with contextlib.suppress(OSError, ValueError):
            told = Path(f"/proc/self/fdinfo/{self._pidfd}").read_text(encoding="ascii")
            return int(told.partition("Pid:")[2].split()[0])
        return 0

    def fileno(self) -> int:
        """Return the descriptor its end is told on."""
        return self._ends.fileno()

    def poll(self) -> int | None:
        """Take what was told; return its exit code once that is there."""
        while self.returncode is None:
            try:
                received, descriptors, _, _ = socket.recv_fds(self._ends, 16, 1)
            except BlockingIOError:
                return None
            except OSError:
                received, descriptors = b"", []
            for descriptor in descriptors:
                self._pidfd = descriptor
            self._received += received
            told = self._received.removeprefix(BORN)
            if len(told) >= STATUS.size:
                (self.returncode,) = STATUS.unpack(told[: STATUS.size])
            elif not received:
                # the zygote has ended, or could not fork
                self.returncode = KILLED
                if self._pidfd is None:
                    self.complaint = self._lost()
            if self.returncode is not None:
                self._ended(self)
        return self.returncode

    def kill(self) -> None:
        """Kill it; with it ends its whole process namespace."""
        if self.poll() is not None:
            return
        if self._pidfd is None:
            # it is not even born: what should have forked it is stuck
            self._lost()
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Close what it was watched by."""
        self._ends.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
