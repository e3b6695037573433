"""Runs the figures named on the command line, or all; 1 when one misses its goal."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.bare import PAYLOAD, BarePair, BareRouter
from benchmarks.figure import Figure, p50, p99, report
from benchmarks.http import ThinClient
from benchmarks.memory import pss_mib
from iotronic_mec.sdk import NewBoard
from tests.e2e.cloud import HOST, SUPERVISOR, Cloud

ROUNDS = 9
CALLS = 200
WARM_UP = 100
ECHO_GOAL = 4.5
"""Largest ratio that closes issue A; see docs/acceptance.md, A3."""

STARTS = 9
IDLE_S = 60.0


def echo(cloud: Cloud, folder: Path) -> bool:
    """A3: DeviceEcho by REST, request, result and audit durable, against bare WAMP."""
    board = cloud.make_board("bench")
    router = BareRouter(folder / "bare")
    router.start()
    pair = BarePair(router)
    client = ThinClient(HOST, cloud.ports[0])
    body = b'{"action": "DeviceEcho", "parameters": {"say": "' + PAYLOAD.encode() + b'"}}'
    order = client.request("POST", f"/v1/boards/{board}/action", cloud.token, body)
    before = sum(1 for _ in cloud.client.requests.iterate())

    def product(count: int) -> list[float]:
        samples = []
        for _ in range(count):
            took, status, answer = client.timed(order)
            if status != 200 or PAYLOAD.encode() not in answer:
                raise RuntimeError(f"DeviceEcho answered {status} {answer[:200]!r}")
            samples.append(took)
        return samples

    product(WARM_UP)
    pair.round(WARM_UP)
    ours: list[float] = []
    floor: list[float] = []
    for _ in range(ROUNDS):
        ours += product(CALLS)
        floor += pair.round(CALLS)
    pair.stop()
    router.stop()
    client.close()
    stored = sum(1 for _ in cloud.client.requests.iterate()) - before
    if stored != WARM_UP + ROUNDS * CALLS:
        raise RuntimeError(f"{stored} requests are stored")
    report(
        Figure(name="echo_p99", value=p99(ours), floor=p99(floor)), ours_ms=ours, floor_ms=floor
    )
    return report(
        Figure(name="echo_p50", value=p50(ours), floor=p50(floor), goal=ECHO_GOAL),
        ours_ms=ours,
        floor_ms=floor,
    )


def lists(cloud: Cloud, folder: Path) -> bool:
    """A4: lists of 20 and of 1,000 boards; printed, not judged yet."""
    del folder
    sdk = cloud.client
    have = sum(1 for _ in sdk.boards.iterate())
    for number in range(have, 1000):
        sdk.boards.create(NewBoard(name=f"bench-{number}"))
    client = ThinClient(HOST, cloud.ports[0])
    for limit in (20, 1000):
        order = client.request("GET", f"/v1/boards?limit={limit}", cloud.token)
        samples = []
        for _ in range(100):
            took, status, _body = client.timed(order)
            if status != 200:
                raise RuntimeError(f"the list answered {status}")
            samples.append(took)
        report(Figure(name=f"list_{limit}_p50", value=p50(samples)), ours_ms=samples)
        report(Figure(name=f"list_{limit}_p99", value=p99(samples)), ours_ms=samples)
    client.close()
    return True


def memory(cloud: Cloud, folder: Path) -> bool:
    """A4: memory of agent and supervisor after a minute without work."""
    del folder
    if not cloud.agent_pids("bench"):
        cloud.make_board("bench")
    bare = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import twisted.internet.reactor, autobahn.twisted.wamp, time; time.sleep(600)",
        ]
    )
    time.sleep(IDLE_S)
    floor = pss_mib(bare.pid)
    bare.kill()
    bare.wait(10)
    agent = pss_mib(cloud.agent_pids("bench")[0])
    supervisor = pss_mib(cloud.agent_pids("bench", SUPERVISOR)[0])
    report(Figure(name="agent_pss", value=agent, floor=floor, unit="MiB"), ours=[agent])
    return report(
        Figure(name="supervisor_pss", value=supervisor, goal=20.0, unit="MiB"), ours=[supervisor]
    )


def start(cloud: Cloud, folder: Path) -> bool:
    """A4: second start until ready, against Crossbar alone; printed, not judged yet."""
    cloud.stop()
    ours, floor = [], []
    router = BareRouter(folder / "bare-start")
    for _ in range(STARTS):
        floor.append(router.start())
        router.stop()
        since = time.monotonic()
        cloud.start()
        ours.append(time.monotonic() - since)
        cloud.stop()
    return report(
        Figure(name="second_start", value=p50(ours), floor=p50(floor), unit="s"),
        ours_s=ours,
        floor_s=floor,
    )


FIGURES: dict[str, Callable[[Cloud, Path], bool]] = {
    "echo": echo,
    "memory": memory,
    "lists": lists,
    "start": start,
}
"""In the order they run; ``start`` ends the cloud."""


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
        cloud = Cloud(folder)
        try:
            cloud.start()
            good = [FIGURES[figure](cloud, folder) for figure in chosen]
        finally:
            cloud.stop()
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
