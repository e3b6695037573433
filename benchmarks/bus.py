"""B7: DeviceEcho by REST over RabbitMQ and PostgreSQL, and what it is made of."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.bare import PAYLOAD, BarePair, BareRouter
from benchmarks.figure import Figure, p50, p99, report
from benchmarks.http import ThinClient
from iotronic_mec.conf import load
from iotronic_mec.db.engine import open_database
from iotronic_mec.rpc.bus import BusConductor
from iotronic_mec.rpc.transport import Transport
from tests.cluster.cluster import Cluster, running
from tests.e2e.cloud import HOST

ROUNDS = 9
CALLS = 150
WARM_UP = 100

GOAL = 11.0
"""Largest ratio to raw WAMP; two hops of the bus alone were 6.4 when it was set."""


def bus_echo(folder: Path) -> bool:
    """Measure one process of each kind, interleaved with the floor and with the parts."""
    place = folder / "bus"
    place.mkdir()
    with running(place, 1) as cluster:
        board = cluster.make_board("bench")
        router = BareRouter(folder / "bare-bus")
        router.start()
        pair = BarePair(router)
        try:
            return _measure(cluster, board, pair)
        finally:
            pair.stop()
            router.stop()


def _measure(cluster: Cluster, board: str, pair: BarePair) -> bool:
    client = ThinClient(HOST, cluster.ports[0])
    body = b'{"action": "DeviceEcho", "parameters": {"say": "' + PAYLOAD.encode() + b'"}}'
    order = client.request("POST", f"/v1/boards/{board}/action", cluster.token, body)
    read = client.request("GET", f"/v1/boards/{board}", cluster.token)
    config = load(cluster.folder, [cluster.folder / "iotronic.conf"])
    transport = Transport(config, config.rpc.transport_url)
    conductor = BusConductor(transport)
    database = open_database(config.database.connection)

    def timed(request: bytes, holds: bytes) -> float:
        took, status, answer = client.timed(request)
        if status != 200 or holds not in answer:
            raise RuntimeError(f"answered {status} {answer[:200]!r}")
        return took

    parts: dict[str, Callable[[], float]] = {
        "echo": lambda: timed(order, PAYLOAD.encode()),
        "read": lambda: timed(read, board.encode()),
        "hop": lambda: _timed(lambda: conductor.ping(10.0)),
        "commit": lambda: _timed(lambda: database.write(lambda connection: None)),
    }
    for call in parts.values():
        for _ in range(WARM_UP):
            call()
    pair.round(WARM_UP)
    before = _stored(cluster)
    samples: dict[str, list[float]] = {name: [] for name in parts}
    floor: list[float] = []
    for _ in range(ROUNDS):
        for name, call in parts.items():
            samples[name] += [call() for _ in range(CALLS)]
        floor += pair.round(CALLS)
    stored = _stored(cluster) - before
    if stored != ROUNDS * CALLS:
        raise RuntimeError(f"{stored} requests are stored, {ROUNDS * CALLS} were ordered")
    client.close()
    transport.close()
    database.close()
    base = p50(floor)
    for name in ("read", "hop", "commit"):
        figure = Figure(name=f"bus_{name}_p50", value=p50(samples[name]), floor=base)
        report(figure, ours_ms=samples[name])
    report(
        Figure(name="bus_echo_p99", value=p99(samples["echo"]), floor=p99(floor)),
        ours_ms=samples["echo"],
        floor_ms=floor,
    )
    return report(
        Figure(name="bus_echo_p50", value=p50(samples["echo"]), floor=base, goal=GOAL),
        ours_ms=samples["echo"],
        floor_ms=floor,
    )


def _timed(call: Callable[[], object]) -> float:
    since = time.perf_counter()
    call()
    return (time.perf_counter() - since) * 1000


def _stored(cluster: Cluster) -> int:
    return sum(1 for _ in cluster.client.requests.iterate())
