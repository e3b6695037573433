"""A12, B14: whoever changes, removes, cuts off or signs anew the audit is found out."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from demo.processes import script
from iotronic_mec.audit_chain import GENESIS, row_hash
from iotronic_mec.clock import iso
from iotronic_mec.db.types import UTCDateTime
from iotronic_mec.sdk import NewBoard
from tests.e2e.cloud import Cloud, wait_for

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


def verify(cloud: Cloud, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``iot audit verify`` as the administrator."""
    return iot(cloud, "audit", "verify", *arguments)


def iot(cloud: Cloud, *words: str) -> subprocess.CompletedProcess[str]:
    """Run ``iot`` as the administrator."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(cloud.folder),
        "OS_AUTH_TOKEN": cloud.token,
        "IOTRONIC_URL": cloud.url,
    }
    return subprocess.run(
        [script("iot"), *words],
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


@contextmanager
def attacked(cloud: Cloud, attack: Callable[[sqlite3.Connection], None]) -> Iterator[None]:
    """Have somebody who holds the database do something to the audit; undo it after."""
    path = cloud.state_dir / "iotronic.sqlite"
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        connection.row_factory = sqlite3.Row
        rows = [tuple(row) for row in connection.execute("SELECT * FROM audit")]
        with connection:
            attack(connection)
        try:
            yield
        finally:
            with connection:
                connection.execute("DELETE FROM audit")
                marks = ",".join("?" * len(rows[0]))
                connection.executemany(f"INSERT INTO audit VALUES ({marks})", rows)


def cut_the_end(connection: sqlite3.Connection) -> None:
    """Remove the last three rows."""
    connection.execute("DELETE FROM audit WHERE sequence > (SELECT max(sequence) FROM audit) - 3")


def sign_anew(connection: sqlite3.Connection) -> None:
    """Blame another user for the first row, and compute all hashes anew."""
    rows = connection.execute("SELECT * FROM audit ORDER BY sequence").fetchall()
    previous = GENESIS
    for row in rows:
        values = {key: row[key] for key in row.keys() if key not in ("id", "hash")}
        if row is rows[0]:
            values["user_name"] = "somebody else"
        shown = {
            **values,
            "time": iso(UTCDateTime().process_result_value(values["time"], None)),
            "details": json.loads(values["details"]),
        }
        digest = row_hash(shown, previous)
        connection.execute(
            "UPDATE audit SET user_name = ?, previous = ?, hash = ? WHERE sequence = ?",
            (values["user_name"], previous, digest, values["sequence"]),
        )
        previous = digest


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
    assert f"row {history}" in verdict.stdout + verdict.stderr


def test_a_removed_row_is_found(cloud: Cloud, history: int) -> None:
    """A gap inside the chain is seen."""
    with forged(cloud, "DELETE FROM audit WHERE sequence = ?", history):
        verdict = verify(cloud)

    assert verdict.returncode == 1, verdict.stdout
    assert verify(cloud).returncode == 0


def test_a_head_that_is_there_is_found(cloud: Cloud, history: int) -> None:
    """Control: the head of an untouched chain, kept and given back, is in it."""
    told = iot(cloud, "audit", "head", "-f", "value", "-c", "head").stdout.strip()

    verdict = verify(cloud, "--against", told)

    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


@pytest.mark.parametrize("attack", [cut_the_end, sign_anew])
def test_only_a_kept_head_finds_what_is_whole(
    cloud: Cloud, history: int, tmp_path: Path, attack: Callable[[sqlite3.Connection], None]
) -> None:
    """A tail cut off, or a chain signed anew, is whole by itself; a head kept before tells."""
    told = iot(cloud, "audit", "head", "-f", "value", "-c", "head").stdout.strip()
    kept = tmp_path / "heads"
    kept.write_text(f"# kept elsewhere\n2026-01-01T00:00:00+00:00 {told}\n", encoding="utf-8")

    with attacked(cloud, attack):
        alone = verify(cloud)
        against = verify(cloud, "--against", told)
        against_file = verify(cloud, "--against", str(kept))

    assert alone.returncode == 0, alone.stdout
    assert against.returncode == 1, against.stdout
    assert against_file.returncode == 1, against_file.stdout
    assert verify(cloud, "--against", told).returncode == 0


def test_the_ledger_finds_it_too(cloud: Cloud, history: int) -> None:
    """The heads the cloud hands to its ledger are a file for --against."""
    ledger = cloud.state_dir / "audit-heads.log"
    wait_for("a head is handed to the ledger", ledger.exists, limit_s=90)

    with attacked(cloud, sign_anew):
        verdict = verify(cloud, "--against", str(ledger))

    assert verdict.returncode == 1, verdict.stdout
    assert verify(cloud, "--against", str(ledger)).returncode == 0
