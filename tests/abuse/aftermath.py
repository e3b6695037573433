"""What is looked at on the board after an attack; each returns what is wrong, or nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.abuse.board import Board

LOG_BYTES = 1_300_000
"""A plugin's log on the disk: the ring and its records' own bytes."""

SUPERVISOR_KIB = 100_000
"""Resident memory of the supervisor; at rest a third."""

GONE_S = 2.0
"""Seconds in which a process that an attack left must be gone."""


def find_token(token: str) -> list[int]:
    """Return the pids whose command line has the token."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if token.encode() in words:
            found.append(int(entry.parent.name))
    return found


def end_token(token: str) -> bool:
    """Kill what has the token; return whether there was something."""
    found = find_token(token)
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    return bool(found)


def no_daemon(board: Board, plugin: str, told: dict[str, Any]) -> str:
    """A process that outlived its call."""
    end = time.monotonic() + GONE_S
    while find_token(told["token"]) and time.monotonic() < end:
        time.sleep(0.05)
    return "a process is left" if end_token(told["token"]) else ""


def log_is_small(board: Board, plugin: str, told: dict[str, Any]) -> str:
    """A log that grows without end."""
    files = (board.state_dir / "logs").glob(f"{plugin}*")
    size = sum(path.stat().st_size for path in files)
    return "" if size <= LOG_BYTES else f"the log has {size} bytes"


def supervisor_is_small(board: Board, plugin: str, told: dict[str, Any]) -> str:
    """A supervisor that keeps what it is sent."""
    status = Path(f"/proc/{board.supervisor}/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
    size_kib = int(line.split()[1])
    return "" if size_kib <= SUPERVISOR_KIB else f"the supervisor has {size_kib} KiB"


def no_more_descriptors(board: Board, plugin: str, told: dict[str, Any]) -> str:
    """A supervisor that takes the descriptors it is sent."""
    count = len(os.listdir(f"/proc/{board.supervisor}/fd"))
    return "" if count <= told["descriptors"] + 10 else f"the supervisor has {count} descriptors"


def no_marker(board: Board, plugin: str, told: dict[str, Any]) -> str:
    """A file that was made by code in a payload."""
    return "the payload ran" if os.path.exists(told["marker"]) else ""


def no_forged_line(board: Board, plugin: str, told: dict[str, Any]) -> str:
    """A line of the log whose stream the plugin made up."""
    lines = board.attacker.client.injections.logs(board.attacker.at(plugin), lines=100).lines
    forged = [line for line in lines if line.stream == "supervisor" and "forged" in line.text]
    return f"forged: {forged}" if forged else ""


CHECKS: dict[str, Callable[[Board, str, dict[str, Any]], str]] = {
    "no daemon": no_daemon,
    "log is small": log_is_small,
    "supervisor is small": supervisor_is_small,
    "supervisor has no more descriptors": no_more_descriptors,
    "no marker": no_marker,
    "no forged line": no_forged_line,
}
"""Name in ``Attack.checks`` → check."""
