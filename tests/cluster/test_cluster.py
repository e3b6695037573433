"""B6: two of each process behind nginx; any single one is killed under load.

``IOT_CLUSTER_ROUNDS`` (1 by default) is how often every process is killed;
``IOT_CLUSTER_SEED`` repeats a run, whose seed is printed.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections import Counter

import pytest
import requests

from iotronic_mec.sdk import Error, NewBoard, NewPlugin, Target
from tests.cluster.cluster import Cluster
from tests.e2e.cloud import HOST, wait_for
from tests.e2e.test_chaos import LOOP, SOURCE, Load

ROUNDS = int(os.environ.get("IOT_CLUSTER_ROUNDS", "1"))
SEED = int(os.environ.get("IOT_CLUSTER_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
BOARDS = ("porch", "cellar")
SETTLE_S = 180.0
"""Longest until everything has its end: deadline, grace and reports, seconds."""


@pytest.fixture(scope="module")
def boards(cluster: Cluster) -> dict[str, str]:
    """Give two boards with a callable and a running plugin."""
    made = {name: cluster.make_board(name) for name in BOARDS}
    client = cluster.client
    source = SOURCE.format(version=1).encode()
    client.plugins.create(NewPlugin(name="chaos", filename="c.py", content=source, callable=True))
    client.plugins.create(NewPlugin(name="loop", filename="l.py", content=LOOP.encode()))
    for name in BOARDS:
        for plugin in ("chaos", "loop"):
            client.injections.inject(Target(board=name, plugin=plugin))
    return made


@pytest.mark.timeout(300)
def test_the_main_job(cluster: Cluster, boards: dict[str, str]) -> None:
    """Board create, enrol, plugin, inject, call, through nginx, on every board."""
    client = cluster.client

    answers = [
        client.injections.call(Target(board=name, plugin="chaos"), {"n": 41}).value
        for name in BOARDS
    ]

    assert answers == [42, 42]
    assert [client.boards.get(name).status for name in BOARDS] == ["online", "online"]
    assert client.audit.verify().ok


@pytest.mark.timeout(120)
def test_pings_are_the_gateways(cluster: Cluster, boards: dict[str, str]) -> None:
    """nginx sends them there, one with no right is refused, and without it an API answers."""
    address = f"{cluster.url}/healthcheck/boards/{boards['porch']}"

    def ping(token: str) -> tuple[int, str]:
        sent = {"X-Auth-Token": token}
        told = requests.post(address, headers=sent, json={"say": "hi"}, timeout=30)
        return told.status_code, told.json().get("say", "")

    def answered() -> str:
        address = f"http://{HOST}:{cluster.metrics['gateway-0']}/metrics"
        lines = requests.get(address, timeout=30).text.splitlines()
        return "".join(
            line for line in lines if 'origin="control"' in line and 'status="2xx"' in line
        )

    def by_an_api() -> bool:
        with contextlib.suppress(requests.RequestException):
            return ping(cluster.token) == (200, "hi")
        return False

    told = [ping(cluster.token), ping("x")[0]]
    counted = answered()
    gateway = cluster.services["gateway-0"]
    gateway.kill()
    try:
        wait_for("an API answers pings", by_an_api)
    finally:
        gateway.start()
        gateway.wait_ready()

    assert told == [(200, "hi"), 401]
    assert counted.endswith(" 1.0"), counted


@pytest.mark.timeout(120)
def test_both_of_a_kind_run_side_by_side(cluster: Cluster) -> None:
    """Two wamp agents of one host have their own keys, sockets, ports and routers."""
    folders = [cluster.folder / f"wamp-agent-{number}" for number in (0, 1)]

    names = {(folder / "wamp-agent.uuid").read_text(encoding="utf-8") for folder in folders}
    routers = [len(cluster.pids_in(folder, "crossbar")) for folder in folders]

    assert len(names) == 2
    assert min(routers) >= 1


@pytest.mark.timeout(1200 * ROUNDS)
def test_any_process_may_be_killed(
    cluster: Cluster, boards: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What was acknowledged is there, every operation has ended, the boards are back."""
    dice = random.Random(SEED)
    load, made = Load(), list[str]()
    users = [
        threading.Thread(target=load.user, args=(cluster, name, SEED + number))
        for number, name in enumerate(BOARDS)
    ]
    users.append(threading.Thread(target=_create, args=(cluster, load, made)))

    for user in users:
        user.start()
    killed: Counter[str] = Counter()
    for _ in range(ROUNDS):
        order = dice.sample([*cluster.services, "nginx"], len(cluster.services) + 1)
        for name in order:
            time.sleep(dice.uniform(1.0, 3.0))
            cluster.strike(name)
            killed[name] += 1
            if name in cluster.services:
                cluster.services[name].wait_ready()
    time.sleep(3.0)
    load.stop.set()
    for user in users:
        user.join(120)

    with capsys.disabled():
        print(f"\nseed {SEED}: killed {dict(killed)}; users: {dict(load.told)}; made {len(made)}")
    client = cluster.client
    for name in BOARDS:
        cluster.wait_online(name)
    wait_for("every operation has its end", lambda: _open(cluster) == [], SETTLE_S)
    wait_for("every board is converged", lambda: _unconverged(cluster) == [], 90)
    assert load.wrong == []
    assert made
    assert {r.uuid for r in client.requests.iterate()} >= load.requests
    assert {board.name for board in client.boards.iterate()} >= set(made)
    assert client.audit.verify().ok
    word = f"after {SEED}"
    assert all(word in client.boards.echo(name, word).text for name in BOARDS)


def _create(cluster: Cluster, load: Load, made: list[str]) -> None:
    """Make boards until told to stop; remember those that were acknowledged."""
    client, number = cluster.client, 0
    while not load.stop.is_set():
        number += 1
        try:
            client.boards.create(NewBoard(name=f"made-{number}"))
            made.append(f"made-{number}")
            load.told["create ok"] += 1
        except (Error, OSError) as error:
            load.told[f"create {type(error).__name__}"] += 1
        load.stop.wait(0.2)


def _open(cluster: Cluster) -> list[str]:
    with contextlib.suppress(Error, OSError):
        return [r.uuid for r in cluster.client.requests.iterate() if r.status != "COMPLETED"]
    return ["unknown"]


def _unconverged(cluster: Cluster) -> list[str]:
    with contextlib.suppress(Error, OSError):
        client = cluster.client
        return [name for name in BOARDS if not client.boards.explain(name).converged]
    return list(BOARDS)
