"""How much memory a sandbox holds, all of its processes together.

Limits of the kernel bound one process; where there is no memory cgroup for a tenant, this is what
bounds the tree.  The supervisor weighs it the more often the less is left, so a tree can hold more
for some hundredths of a second.  Blocks for a fraction of a millisecond; any thread.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

TREE_BYTES = 1024 * 1024 * 1024
"""Memory one run may hold, bytes; half of the board's where that is less.  Chosen here: as much as
one process may address."""

FILL_BYTES_S = 8 * 1024 * 1024 * 1024
"""What the processes of a run may fill in a second at most, all processors together.  Chosen here:
twice what two processors of a server do."""

PAUSES_S = (0.02, 0.25)
"""Shortest and longest pause between two looks, seconds."""

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_RESIDENT = re.compile(rb"^Rss(?:Anon|Shmem):\s+(\d+) kB$", re.MULTILINE)
_SHARE = re.compile(rb"^Pss_(?:Anon|Shmem):\s+(\d+) kB$", re.MULTILINE)


def board_limit_bytes() -> int:
    """Return what one run may hold on this board, bytes."""
    return min(TREE_BYTES, os.sysconf("SC_PHYS_PAGES") * _PAGE_BYTES // 2)


def held_bytes(pid: int, limit_bytes: int) -> int:
    """Return the memory of a process and all below it that is in no file, bytes.

    Pages that a fork shares with its parent are counted for each, unless that exceeds the limit:
    then, where the kernel tells, each holder is counted for its part.

    :param pid: 0 is nobody
    """
    pids = tree(pid) if pid else []
    held = sum(map(_own_bytes, pids))
    return held if held <= limit_bytes else sum(map(_share_bytes, pids))


def pause_s(held_bytes: int, limit_bytes: int) -> float:
    """Return how long nobody has to look: what is left cannot be filled before.

    >>> pause_s(0, 1024**3)
    0.125
    """
    shortest_s, longest_s = PAUSES_S
    return min(longest_s, max(shortest_s, (limit_bytes - held_bytes) / FILL_BYTES_S))


def tree(pid: int) -> list[int]:
    """Return a process and all that are below it now."""
    found = [pid]
    for above in found:
        try:
            for task in os.scandir(f"/proc/{above}/task"):
                words = Path(task.path, "children").read_bytes().split()
                found.extend(int(word) for word in words)
        except OSError:
            continue  # it has ended
    return found


def _own_bytes(pid: int) -> int:
    return _sum_bytes(f"/proc/{pid}/status", _RESIDENT)


def _share_bytes(pid: int) -> int:
    try:
        return _sum_bytes(f"/proc/{pid}/smaps_rollup", _SHARE)
    except PermissionError:
        return _own_bytes(pid)  # the kernel does not tell us


def _sum_bytes(path: str, lines: re.Pattern[bytes]) -> int:
    try:
        found = lines.findall(Path(path).read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(map(int, found)) * 1024
