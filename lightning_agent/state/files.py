"""Files that are either the old or the new version, whatever happens in between.

Blocking; any thread. Callers on the reactor go through :mod:`state.disk`.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
from pathlib import Path
from typing import Any

from lightning_agent.errors import StorageFailed


def make_private_directory(path: Path) -> None:
    """Make the directory (and those above it) and close it to other users (0700)."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)


def become_owner(path: Path) -> None:
    """As root, become the user that a directory belongs to, for the rest of the process.

    What root writes there would be out of the agent's reach, and links there could lead root
    astray. Nothing happens where there is no such directory, where it is root's, or without root.
    """
    if os.geteuid() != 0:
        return
    try:
        owner = path.stat()
    except OSError:
        return
    if owner.st_uid == 0:
        return
    try:
        user = pwd.getpwuid(owner.st_uid)
    except KeyError:
        os.setgroups([owner.st_gid])
        group = owner.st_gid
    else:
        os.initgroups(user.pw_name, user.pw_gid)
        group = user.pw_gid
    os.setresgid(group, group, group)
    os.setresuid(owner.st_uid, owner.st_uid, owner.st_uid)


def write_atomic(path: Path, content: bytes) -> None:
    """Replace a file (0600) so that a crash or power cut leaves the old or the new one.

    Writes beside it, syncs the content, renames, syncs the directory.

    :raises OSError: the disk is full or may not be written
    """
    beside = path.with_name(f".{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory as durable as the files' contents."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Replace a file by this value as JSON, see :func:`write_atomic`."""
    write_atomic(path, json.dumps(value, indent=1, sort_keys=True).encode() + b"\n")


def read_json(path: Path) -> Any | None:
    """Return the value in the file, ``None`` when there is no file.

    :raises StorageFailed: it cannot be read or is no JSON; the message names the file
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageFailed(f"{path} cannot be read: {error}") from error
