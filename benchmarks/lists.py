"""Lists of boards against a bare Pecan route; deep pages against the first."""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from pathlib import Path

from benchmarks.figure import Figure, p50, p99, report
from benchmarks.http import ThinClient
from iotronic_mec.sdk import NewBoard
from tests.e2e.cloud import HOST, Cloud

SAMPLES = 400
"""Of the list of 20, and of its floor; a tenth for the list of 1,000."""

TURN = 20
"""Calls of one kind before the other's turn."""

LIST_GOAL = 2.5
PAGE_GOAL = 1.2

ALL_BOARDS = 100_000
PAGE = 25
DEEP = 4_000


def lists(cloud: Cloud, folder: Path) -> bool:
    """Measure lists of 20 and 1,000 boards in turns with the floor in the same server."""
    del folder
    sdk = cloud.client
    sdk.boards.create(NewBoard(name="bench-list"))
    project = sdk.whoami().project
    _fill(cloud, project, 1_000)
    client = ThinClient(HOST, cloud.ports[0])
    good = True
    for limit, count, turn in ((20, SAMPLES, TURN), (1000, SAMPLES // 4, TURN // 4)):
        ours = client.request("GET", f"/v1/boards?limit={limit}", cloud.token)
        bare = client.request("GET", f"/bench/boards?project={project}&limit={limit}", cloud.token)
        for order in (ours, bare):
            _check(_calls(client, order, turn), client, order, limit)
        found: tuple[list[float], list[float]] = ([], [])
        for _ in range(count // turn):
            found[0].extend(_calls(client, ours, turn))
            found[1].extend(_calls(client, bare, turn))
        value, floor = found
        report(
            Figure(name=f"list_{limit}_p50", value=p50(value), floor=p50(floor)),
            ours_ms=value,
            floor_ms=floor,
        )
        good &= report(
            Figure(name=f"list_{limit}_p99", value=p99(value), floor=p99(floor), goal=LIST_GOAL),
            ours_ms=value,
            floor_ms=floor,
        )
    client.close()
    return good


def pages(cloud: Cloud, folder: Path) -> bool:
    """Measure the last page of 100,000 boards in turns with the first."""
    del folder
    marker = _fill(cloud, cloud.client.whoami().project, ALL_BOARDS)
    client = ThinClient(HOST, cloud.ports[0])
    first = client.request("GET", f"/v1/boards?limit={PAGE}", cloud.token)
    deep = client.request("GET", f"/v1/boards?limit={PAGE}&marker={marker}", cloud.token)
    for order in (first, deep):
        _check(_calls(client, order, TURN), client, order, PAGE)
    value: list[float] = []
    floor: list[float] = []
    for _ in range(SAMPLES // TURN):
        floor += _calls(client, first, TURN)
        value += _calls(client, deep, TURN)
    client.close()
    return report(
        Figure(name=f"page_{DEEP}_p50", value=p50(value), floor=p50(floor), goal=PAGE_GOAL),
        ours_ms=value,
        floor_ms=floor,
    )


def _calls(client: ThinClient, order: bytes, count: int) -> list[float]:
    samples = []
    for _ in range(count):
        took, status, answer = client.timed(order)
        if status != 200:
            raise RuntimeError(f"a list answered {status} {answer[:200]!r}")
        samples.append(took)
    return samples


def _check(samples: list[float], client: ThinClient, order: bytes, rows: int) -> None:
    """Make sure that an answer holds so many boards."""
    del samples
    listed = len(json.loads(client.timed(order)[2])["boards"])
    if listed != rows:
        raise RuntimeError(f"a list of {rows} has {listed} boards")


def _fill(cloud: Cloud, project: str, count: int) -> str:
    """Give a project so many boards in all, copies of its newest one.

    :returns: the marker of the last whole page
    """
    path = next(cloud.state_dir.glob("*.sqlite"))
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.row_factory = sqlite3.Row
    newest = "SELECT * FROM board WHERE project = ? ORDER BY id DESC LIMIT 1"
    pattern = dict(connection.execute(newest, (project,)).fetchone())
    pattern.pop("id")
    have = connection.execute("SELECT count(*) FROM board WHERE project = ?", (project,))
    missing = count - have.fetchone()[0]
    marks = ", ".join(f":{name}" for name in pattern)
    names = ", ".join(f'"{name}"' for name in pattern)
    connection.execute("BEGIN IMMEDIATE")
    now = time.time_ns() // 1000
    connection.executemany(
        f"INSERT INTO board ({names}) VALUES ({marks})",
        (
            pattern | {"uuid": str(uuid.uuid4()), "name": f"b-{now}-{n}", "created_at": now + n}
            for n in range(missing)
        ),
    )
    connection.execute("COMMIT")
    place = "SELECT uuid FROM board WHERE project = ? ORDER BY created_at, id LIMIT 1 OFFSET ?"
    # the page after it is the last but none: page 4,000 of 100,000 by 25
    row = connection.execute(place, (project, max(0, count - PAGE - 1))).fetchone()
    connection.close()
    return str(row[0])
