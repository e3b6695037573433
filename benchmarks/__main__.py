"""Runs the figures named on the command line, or all; 1 when one misses its goal."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import floor
from benchmarks.bare import BareRouter
from benchmarks.bus import bus_echo
from benchmarks.echo import echo
from benchmarks.figure import Figure, p50, report
from benchmarks.lists import lists, pages
from benchmarks.memory import pss_mib
from benchmarks.ping import ping
from benchmarks.sandbox import sandbox
from tests.e2e.cloud import SUPERVISOR, Cloud

STARTS = 9
START_GOAL = 2.5
IDLE_S = 60.0
AGENT_GOAL = 1.3
SUPERVISOR_GOAL_MIB = 20.0


class BenchCloud(Cloud):
    """A cloud with boards that are made when they are first needed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._known: dict[str, str] = {}

    def board(self, name: str) -> str:
        """Return the uuid of an online board."""
        if name not in self._known:
            self._known[name] = self.make_board(name)
        return self._known[name]


class Idle:
    """An agent without work, and the bare process beside it, from now on."""

    def __init__(self, cloud: BenchCloud) -> None:
        self._cloud = cloud
        cloud.board("idle")
        self._since = time.monotonic()
        bare = "import twisted.internet.reactor, autobahn.twisted.wamp, time; time.sleep(600)"
        self._bare = subprocess.Popen([sys.executable, "-c", bare])

    def measure(self) -> bool:
        """Wait until they were idle for a minute, and measure them."""
        time.sleep(max(0.0, self._since + IDLE_S - time.monotonic()))
        floor_mib = pss_mib(self._bare.pid)
        agent = pss_mib(self._cloud.agent_pids("idle")[0])
        supervisor = pss_mib(self._cloud.agent_pids("idle", SUPERVISOR)[0])
        self.stop()
        good = report(
            Figure(name="agent_pss", value=agent, floor=floor_mib, goal=AGENT_GOAL, unit="MiB"),
            ours=[agent],
            floor=[floor_mib],
        )
        return good & report(
            Figure(name="supervisor_pss", value=supervisor, goal=SUPERVISOR_GOAL_MIB, unit="MiB"),
            ours=[supervisor],
        )

    def stop(self) -> None:
        """End the bare process."""
        self._bare.kill()
        self._bare.wait(10)


def start(folder: Path) -> bool:
    """Measure the second start until ready in turns with Crossbar alone."""
    cloud = Cloud(folder / "again")
    cloud.start()
    cloud.stop()
    ours, bare = [], []
    router = BareRouter(folder / "bare-start")
    router.start()
    router.stop()
    for _ in range(STARTS):
        bare.append(router.start())
        router.stop()
        since = time.monotonic()
        cloud.start()
        ours.append(time.monotonic() - since)
        cloud.stop()
    return report(
        Figure(name="second_start", value=p50(ours), floor=p50(bare), goal=START_GOAL, unit="s"),
        ours_s=ours,
        floor_s=bare,
    )


RUNNING: dict[str, Callable[[BenchCloud, Path], bool]] = {
    "echo": echo,
    "ping": ping,
    "lists": lists,
    "pages": pages,
}
"""Figures of a running cloud, in the order they run: pages leave it full."""

FIGURES = (*RUNNING, "memory", "start", "bus_echo", "sandbox")


def main() -> int:
    """Start a cloud, run the figures, end it."""
    parser = argparse.ArgumentParser(prog="tox -e bench --", description=__doc__)
    parser.add_argument("figures", nargs="*", help=f"of {', '.join(FIGURES)} (default: all)")
    chosen = parser.parse_args().figures or list(FIGURES)
    unknown = set(chosen) - set(FIGURES)
    if unknown:
        parser.error(f"no figure {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="iotronic-bench-") as name:
        folder = Path(name)
        good = _running(folder, [figure for figure in FIGURES if figure in chosen])
        if "start" in chosen:
            good &= start(folder)
        if "bus_echo" in chosen:
            good &= bus_echo(folder)
        if "sandbox" in chosen:
            good &= sandbox(folder)
    return 0 if good else 1


def _running(folder: Path, chosen: list[str]) -> bool:
    if not {*chosen} & {*RUNNING, "memory"}:
        return True
    good = True
    cloud = BenchCloud(folder)
    idle: Idle | None = None
    try:
        with floor.in_front(folder):
            cloud.start()
        # the minute without work passes while other parts are measured
        idle = Idle(cloud) if "memory" in chosen else None
        for figure in chosen:
            if figure in RUNNING:
                good &= RUNNING[figure](cloud, folder)
        if idle is not None:
            good &= idle.measure()
    finally:
        if idle is not None:
            idle.stop()
        cloud.stop()
    return good


if __name__ == "__main__":
    sys.exit(main())
