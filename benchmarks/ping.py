"""The data road beside a busy control road."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.bare import PAYLOAD
from benchmarks.figure import Figure, p50, p99, report
from benchmarks.http import ThinClient
from benchmarks.load import Load
from tests.e2e.cloud import HOST, Cloud

LIST_CALLERS = 32
PING_CALLERS = 1
"""One caller: its calls a second are its latency, which others' lists lengthen the most."""

ROUNDS = 4
SECONDS = 1.5
LEAD_S = 0.5
"""How long the lists run before and after the pings, seconds."""

KEPT_GOAL = 0.6
P99_GOAL = 3.0


def ping(cloud: Cloud, folder: Path) -> bool:
    """Measure pings alone and beside 32 callers of the list, in turns."""
    del folder
    board = cloud.board("bench")
    client = ThinClient(HOST, cloud.ports[0])
    body = b'{"say": "' + PAYLOAD.encode() + b'"}'
    order = client.request("POST", f"/healthcheck/boards/{board}", cloud.token, body)
    _, status, answer = client.timed(order)
    if status != 200 or PAYLOAD.encode() not in answer:
        raise RuntimeError(f"the ping answered {status} {answer[:200]!r}")
    pings = Load(HOST, cloud.ports[0], PING_CALLERS, order)
    listing = client.request("GET", "/v1/boards?limit=20", cloud.token)
    lists = Load(HOST, cloud.ports[0], LIST_CALLERS, listing)
    alone: list[float] = []
    beside: list[float] = []
    listed = 0
    pings.begin(LEAD_S)
    pings.end()
    for _ in range(ROUNDS):
        pings.begin(SECONDS)
        alone += pings.end()
        lists.begin(SECONDS + 2 * LEAD_S)
        time.sleep(LEAD_S)
        pings.begin(SECONDS)
        beside += pings.end()
        listed += len(lists.end())
    pings.stop()
    lists.stop()
    client.close()
    kept = {"ours_ms": beside, "floor_ms": alone}
    seconds = ROUNDS * SECONDS
    per_s = listed / (ROUNDS * (SECONDS + 2 * LEAD_S))
    report(Figure(name="ping_lists_meanwhile", value=per_s, unit="calls/s"))
    report(Figure(name="ping_p50", value=p50(beside), floor=p50(alone)), **kept)
    good = report(
        Figure(
            name="ping_calls_kept",
            value=len(beside) / seconds,
            floor=len(alone) / seconds,
            goal=KEPT_GOAL,
            unit="calls/s",
            at_least=True,
        ),
        **kept,
    )
    return good & report(
        Figure(name="ping_p99", value=p99(beside), floor=p99(alone), goal=P99_GOAL), **kept
    )
