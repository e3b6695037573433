"""A12: whoever changes or removes a row of the audit chain is found out."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from demo.processes import script
from iotronic_mec.sdk import NewBoard
from tests.e2e.cloud import Cloud

pytestmark = pytest.mark.timeout(180)

CHANGES = {
    "time": "time + 1",
    "project": "'another'",
    "user": "'another'",
    "action": "'board.show'",
    "target_kind": "'plugin'",
    "target": "'another'",
    "outcome": "'refused'",
    "reason": "'another'",
    "request_id": "'req-another'",
    "details": "'{}x'",
    "previous": "hex(randomblob(32))",
    "hash": "hex(randomblob(32))",
}
"""Column to the value a forger writes."""


@pytest.fixture(scope="module")
def history(cloud: Cloud) -> int:
    """Make some history; return the sequence of a row inside it."""
    for number in range(5):
        cloud.client.boards.create(NewBoard(name=f"history-{number}"))
    rows = list(cloud.client.audit.iterate())
    return int(rows[len(rows) // 2].sequence)


def verify(cloud: Cloud) -> subprocess.CompletedProcess[str]:
    """Run ``iot audit verify`` as the administrator."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(cloud.folder),
        "OS_AUTH_TOKEN": cloud.token,
        "IOTRONIC_URL": cloud.url,
    }
    return subprocess.run(
        [script("iot"), "audit", "verify"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@contextmanager
def forged(cloud: Cloud, statement: str, sequence: int) -> Iterator[None]:
    """Change the file behind the cloud's back, and put it right again."""
    path = cloud.state_dir / "iotronic.sqlite"
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        row = connection.execute("SELECT * FROM audit WHERE sequence = ?", (sequence,)).fetchone()
        with connection:
            connection.execute(statement, (sequence,))
        yield
        with connection:
            marks = ",".join("?" * len(row))
            connection.execute(f"INSERT OR REPLACE INTO audit VALUES ({marks})", row)


def test_an_untouched_chain_is_whole(cloud: Cloud, history: int) -> None:
    """Control: nothing is found where nothing was done."""
    verdict = verify(cloud)

    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


@pytest.mark.parametrize("column", sorted(CHANGES))
def test_a_changed_row_is_found(cloud: Cloud, history: int, column: str) -> None:
    """Every column of a row is under its hash."""
    statement = f"UPDATE audit SET {column} = {CHANGES[column]} WHERE sequence = ?"

    with forged(cloud, statement, history):
        verdict = verify(cloud)

    assert verdict.returncode == 1, verdict.stdout
    assert str(history) in verdict.stdout + verdict.stderr


def test_a_removed_row_is_found(cloud: Cloud, history: int) -> None:
    """A gap inside the chain is seen."""
    with forged(cloud, "DELETE FROM audit WHERE sequence = ?", history):
        verdict = verify(cloud)

    assert verdict.returncode == 1, verdict.stdout
    assert verify(cloud).returncode == 0
