"""What a new supervisor does before it listens: one owner, and a state directory in order.

Nothing is started here.  Sandboxes die with their supervisor, and which plugins should run is the
agent's to decide; a new supervisor only reports what is running: nothing.
"""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

from lightning_agent.errors import AlreadySupervised, StorageFailed

SOCKET_NAME = "supervisor.sock"
"""Name of the supervisor's socket in the state directory."""

MAX_SOCKET_PATH_BYTES = 107
"""Bytes of a Unix socket's path.  Source: unix(7)."""

_LOCK_NAME = "supervisor.lock"
_BACKLOG = 16


def take_ownership(state_dir: Path) -> int:
    """Make ``state_dir`` if needed and lock it; return the descriptor that holds the lock.

    :raises AlreadySupervised: another supervisor has it
    :raises StorageFailed: it cannot be made or written
    """
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(state_dir / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        text = f"{state_dir} cannot be used: {error.strerror}; choose another --state-dir"
        raise StorageFailed(text) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise AlreadySupervised(f"another supervisor owns {state_dir}") from error
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock


def open_socket(state_dir: Path) -> socket.socket:
    """Listen on the supervisor's socket, mode 0600; the owner of the lock calls this.

    A socket that a killed supervisor left is removed: the lock says that nobody serves it.

    :raises StorageFailed: the path is too long or cannot be written
    """
    path = state_dir / SOCKET_NAME
    if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        text = f"{path} is longer than {MAX_SOCKET_PATH_BYTES} bytes; choose a shorter --state-dir"
        raise StorageFailed(text)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)
        listener.bind(os.fspath(path))
    except OSError as error:
        listener.close()
        raise StorageFailed(f"{path} cannot be made: {error.strerror}") from error
    finally:
        os.umask(previous)
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener
