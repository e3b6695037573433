"""Runs inside a trial sandbox: puts on every layer and tries to get out; prints what it found.

Used by :mod:`lightning_agent.sandbox.probe`.  Standard library only.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping

from lightning_agent.sandbox import hardening
from lightning_agent.sandbox.profile import WORK_PATH

_SIZE_BYTES = 1024 * 1024
_CLONE_NEWUSER = 0x10000000


def refused(action: Callable[[], object]) -> bool:
    """Return whether the kernel refuses ``action``."""
    try:
        action()
    except OSError:
        return True
    return False


def look(program: bytes) -> dict[str, object]:
    """Put the layers on and return what can still be done."""
    found: dict[str, object] = {"interfaces": [name for _, name in socket.if_nameindex()]}
    hardening.give_up_privileges()
    found["landlock"] = hardening.restrict_files([WORK_PATH])
    hardening.install_filter(program)
    libc = ctypes.CDLL(None, use_errno=True)
    found |= {
        "root": refused(lambda: _write("/trial")),
        "work": not refused(lambda: _write(f"{WORK_PATH}/trial")),
        "shadow": refused(lambda: os.close(os.open("/etc/shadow", os.O_RDONLY))),
        "internet": refused(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()),
        "unshare": libc.unshare(_CLONE_NEWUSER) != 0,
        "privileges": _capabilities(libc) == 0,
        "filter": libc.ptrace(0, 0, 0, 0) != 0,
    }
    return found


def main(arguments: list[str]) -> None:
    """Try, in a fork of its own where that can be made, and print the facts as JSON.

    :param arguments: descriptor of the filter
    """
    with os.fdopen(int(arguments[0]), "rb") as file:
        program = file.read()
    apart = True
    try:
        pid = hardening.fork_apart()
    except OSError as error:
        apart, pid = False, 0
        sys.stderr.write(f"no process namespace of its own: {error}\n")
    if pid:
        _, status = os.waitpid(pid, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    if apart:
        try:
            hardening.mount_fresh({WORK_PATH: _SIZE_BYTES})
        except OSError as error:
            apart = False
            sys.stderr.write(f"no folders of its own: {error}\n")
    facts: Mapping[str, object] = {"apart": apart, **look(program)}
    sys.stdout.write(json.dumps(facts))
    sys.stdout.flush()
    os._exit(0)


def _write(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))


def _capabilities(libc: ctypes.CDLL) -> int:
    """Return how many capabilities may still be gained: those in the bounding set."""
    return sum(libc.prctl(23, number, 0, 0, 0) == 1 for number in range(64))
