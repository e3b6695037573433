"""A call of a plugin in its sandbox, against a fresh sandbox that imports the same.

Measured at the supervisor's socket, in turns. The floor is bubblewrap with the same
view, an interpreter, numpy and the inference engine, started for each call.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from benchmarks.figure import Figure, p50, report
from lightning_agent.sandbox.launcher import Launcher
from lightning_agent.sandbox.probe import probe
from lightning_agent.sandbox.profile import Profile
from lightning_agent.sandbox.zygote import ENGINES
from tests.agent.supervised import Supervised, descendants

CALLS = 60
PAUSE_S = 0.05
"""Between two calls, so that a fork is made ahead for each."""

CALL_GOAL = 1 / 30
FIRST_LINE_GOAL = 1 / 150
PRIVATE_GOAL_MIB = 2.0

PLUGIN = f"""
import time
BEGUN = time.monotonic()

def main(context):
    import numpy
    import {ENGINES[0].partition(".")[0]}
    return BEGUN
"""

FRESH = f"""
import sys
sys.path += sys.argv[1].split(":")
import numpy
import {ENGINES[0]}
import time
print(time.monotonic(), flush=True)
"""


def fresh(launcher: Launcher) -> tuple[float, float]:
    """Start a sandbox with the imports; return ms until its first line, and until its end."""
    since = time.monotonic()
    process = launcher.start(
        Profile(owner="bench"),
        ["-c", FRESH, ":".join(launcher.interpreter.packages)],
        stdout=subprocess.PIPE,
    )
    told, _ = process.communicate(timeout=60)
    ended = time.monotonic()
    if process.returncode:
        raise RuntimeError("the fresh sandbox failed")
    return (float(told) - since) * 1000, (ended - since) * 1000


def private_mib(pid: int) -> float:
    """Return the memory that is a process's own, MiB.

    Source: Linux, Documentation/filesystems/proc.rst, smaps_rollup.
    """
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def spare_of(supervised: Supervised) -> int:
    """Return the process of the fork made ahead: nobody is below it, and it uses least."""
    (warm,) = supervised.client.request("warm")["pids"]
    below = [pid for pid in descendants(warm) if not descendants(pid)]
    return min(below, key=private_mib)


def sandbox(folder: Path) -> bool:
    """Measure calls, forks and their memory."""
    launcher = probe().launcher
    if launcher is None or not launcher.forks:
        raise RuntimeError("no sandbox can be forked from here: lightning-agent doctor says why")
    state = folder / "sandbox"
    state.mkdir()
    supervised = Supervised(state)
    try:
        plugin, digest = supervised.install(PLUGIN.encode())
        supervised.call(plugin, digest)
        time.sleep(2)
        calls, lines, fresh_calls, fresh_lines = [], [], [], []
        for number in range(CALLS):
            since = time.monotonic()
            begun = float(supervised.call(plugin, digest)["result"])
            calls.append((time.monotonic() - since) * 1000)
            lines.append((begun - since) * 1000)
            if number % 4 == 0:
                line, whole = fresh(launcher)
                fresh_lines.append(line)
                fresh_calls.append(whole)
            time.sleep(PAUSE_S)
        time.sleep(1)
        private = private_mib(spare_of(supervised))
    finally:
        supervised.close()
    good = report(
        Figure(name="sandbox_call", value=p50(calls), floor=p50(fresh_calls), goal=CALL_GOAL),
        ours_ms=calls,
        floor_ms=fresh_calls,
    )
    good &= report(
        Figure(
            name="sandbox_first_line",
            value=p50(lines),
            floor=p50(fresh_lines),
            goal=FIRST_LINE_GOAL,
        ),
        ours_ms=lines,
        floor_ms=fresh_lines,
    )
    return good & report(
        Figure(name="spare_private", value=private, goal=PRIVATE_GOAL_MIB, unit="MiB"),
        ours=[private],
    )
