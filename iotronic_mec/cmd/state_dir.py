"""The state directory: made private, locked, and the keys the front needs.

Everything of one standalone cloud lives below it; the core adds its own files.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from iotronic_mec.ids import new_uuid

SECRET_BYTES = 32
"""Length of the key of codes' and tokens' hashes, and of the Ed25519 seed, bytes."""

LOG_LIMIT_BYTES = 10_485_760
"""A log file over this size is put aside at the start."""

LOGS_KEPT = 3
"""Older log files kept of each process."""


class StateDirUnusable(Exception):
    """The state directory cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateDir:
    """Paths below the state directory."""

    path: Path

    @property
    def rpc_socket(self) -> Path:
        """Where the core listens for RPC."""
        return self.path / "rpc.sock"

    @property
    def api_socket(self) -> Path:
        """Where the core listens for HTTP requests."""
        return self.path / "api.sock"

    @property
    def crossbar(self) -> Path:
        """The router's folder."""
        return self.path / "crossbar"

    @property
    def router_socket(self) -> Path:
        """The router's private socket."""
        return self.crossbar / "private.sock"

    @property
    def blobs(self) -> Path:
        """Where the core stores blobs."""
        return self.path / "blobs"

    @property
    def logs(self) -> Path:
        """Where the children's output goes."""
        return self.path / "log"

    @property
    def agent(self) -> Path:
        """State of the board of ``--with-agent``."""
        return self.path / "agent"


def prepare(path: Path) -> StateDir:
    """Make the directory and what the front needs in it.

    :raises StateDirUnusable: it cannot be made, written or made private
    """
    state_dir = StateDir(path=path.absolute())
    try:
        for folder in (state_dir.path, state_dir.crossbar, state_dir.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        probe = state_dir.path / ".probe"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise StateDirUnusable(
            f"{state_dir.path} cannot be used ({error.strerror}): "
            "name a folder you own with --state-dir"
        ) from error
    longest = len(os.fsencode(state_dir.router_socket))
    if longest > 100:
        raise StateDirUnusable(
            f"{state_dir.path} is too long for the sockets in it "
            f"({longest} of 100 characters): name a shorter --state-dir"
        )
    return state_dir


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Held until the process ends; ``was_killed`` tells how the last one ended."""

    descriptor: int
    was_killed: bool

    def release(self) -> None:
        """Give it back, and note that this process ended in order."""
        os.ftruncate(self.descriptor, 0)
        os.close(self.descriptor)


def lock(state_dir: StateDir, program: str = "iotronic-mec standalone") -> Lock:
    """Hold the directory for this process.

    :param program: whose directory it is, for the message
    :raises StateDirUnusable: another process holds it
    """
    descriptor = os.open(state_dir.path / "standalone.lock", os.O_RDWR | os.O_CREAT, 0o600)
    holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise StateDirUnusable(
            f"another '{program}' (process {holder or 'unknown'}) runs on {state_dir.path}"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return Lock(descriptor=descriptor, was_killed=bool(holder))


def secret(state_dir: StateDir) -> bytes:
    """Return the key of hashes, made at the first start."""
    return _keep(state_dir.path / "secret.key", lambda: secrets.token_bytes(SECRET_BYTES))


def wamp_agent_seed(state_dir: StateDir) -> bytes:
    """Return the wamp agent's Ed25519 seed, made at the first start."""
    written = _keep(
        state_dir.path / "wamp-agent.key",
        lambda: secrets.token_bytes(SECRET_BYTES).hex().encode(),
    )
    return bytes.fromhex(written.decode())


def wamp_agent_uuid(state_dir: StateDir) -> str:
    """Return the wamp agent's uuid, made at the first start."""
    return _keep(state_dir.path / "wamp-agent.uuid", lambda: new_uuid().encode()).decode().strip()


def open_log(state_dir: StateDir, name: str) -> int:
    """Open a child's log for appending; a long one is put aside first.

    :returns: a descriptor
    """
    path = state_dir.logs / f"{name}.log"
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        for number in range(LOGS_KEPT - 1, 0, -1):
            older = path.with_suffix(f".log.{number}")
            if older.exists():
                older.replace(path.with_suffix(f".log.{number + 1}"))
        path.replace(path.with_suffix(".log.1"))
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _keep(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return the file's content; make it, private and whole, when it is not there."""
    if not path.exists():
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    return path.read_bytes()
