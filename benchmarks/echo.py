"""DeviceEcho by REST against bare WAMP: request, result and audit durable."""

from __future__ import annotations

from pathlib import Path

from benchmarks.bare import PAYLOAD, BarePair, BareRouter
from benchmarks.figure import Figure, p50, p99, report
from benchmarks.http import ThinClient
from tests.e2e.cloud import HOST, Cloud

ROUNDS = 15
CALLS = 120
WARM_UP = 200

GOAL = 3.5
"""Largest ratio of the medians; see docs/acceptance.md, B13."""


def echo(cloud: Cloud, folder: Path) -> bool:
    """Measure in turns with the floor."""
    board = cloud.board("bench")
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
        Figure(name="echo_p50", value=p50(ours), floor=p50(floor), goal=GOAL),
        ours_ms=ours,
        floor_ms=floor,
    )
