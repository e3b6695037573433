"""Become an ordinary user and run a command; only root can.

``python -m tests.abuse.as_user UID PATH... -- COMMAND...``: in a mount namespace of its own the
paths are shown below folders which that user could not pass otherwise; nothing else changes.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_NEW_MOUNTS = 0x20000
_BIND, _RECURSIVE, _PRIVATE = 4096, 16384, 1 << 18

_libc = ctypes.CDLL(None, use_errno=True)


def main(arguments: list[str]) -> None:
    """Show the paths, change the user, execute the command."""
    uid = int(arguments[0])
    end = arguments.index("--")
    _check(_libc.unshare(_NEW_MOUNTS))
    _mount(None, "/", None, _RECURSIVE | _PRIVATE, None)
    for top, paths in hidden([Path(path) for path in arguments[1:end]]).items():
        _show(top, paths)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    os.chdir("/")
    os.execv(arguments[end + 1], arguments[end + 1 :])


def hidden(paths: list[Path]) -> dict[Path, list[Path]]:
    """Return, per topmost folder that others cannot pass, the wanted paths below it."""
    found: dict[Path, list[Path]] = {}
    for path in paths:
        for parent in reversed(path.parents):
            if not parent.stat().st_mode & 0o001:
                found.setdefault(parent, []).append(path)
                break
    return found


def _show(top: Path, paths: list[Path]) -> None:
    """Cover ``top`` by an empty folder and show ``paths`` in it."""
    opened = {path: os.open(path, os.O_PATH) for path in paths}
    _mount("tmpfs", str(top), "tmpfs", 0, "mode=0755")
    for path, descriptor in opened.items():
        path.mkdir(parents=True, exist_ok=True)
        _mount(f"/proc/self/fd/{descriptor}", str(path), None, _BIND | _RECURSIVE, None)
        os.close(descriptor)


def _mount(
    source: str | None, target: str, kind: str | None, flags: int, data: str | None
) -> None:
    words = [None if word is None else word.encode() for word in (source, target, kind)]
    _check(_libc.mount(*words, flags, None if data is None else data.encode()))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main(sys.argv[1:])
