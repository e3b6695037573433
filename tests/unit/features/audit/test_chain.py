"""Appending to the audit, on a real database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from iotronic_mec.audit_chain import GENESIS, Head, verify
from iotronic_mec.clock import ManualClock
from iotronic_mec.context import system_context
from iotronic_mec.db import session
from iotronic_mec.db.engine import open_database, sqlite_url
from iotronic_mec.db.session import Database
from iotronic_mec.errors import Conflict
from iotronic_mec.features.audit import store
from iotronic_mec.features.audit.model import without_secrets
from iotronic_mec.features.audit.table import audit


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Give a database with the table."""
    opened = open_database(sqlite_url(tmp_path / "a.sqlite"))
    opened.write(lambda connection: audit.create(connection))
    yield opened
    opened.close()


def append(database: Database, action: str = "thing.do", **more: Any) -> None:
    """Append one row."""
    chain = store.AuditChain(ManualClock())
    database.write(
        lambda connection: chain(connection, system_context(), action, "thing", "t", **more)
    )


def rows(database: Database) -> list[dict[str, Any]]:
    """Return all rows as the API shows them."""
    with database.read() as connection:
        return [row.to_wire() for row in store.list_rows(connection, limit=100)]


def test_first_row(database: Database) -> None:
    """The first row has sequence 1 and follows the genesis hash."""
    append(database)

    (row,) = rows(database)

    assert (row["sequence"], row["previous"]) == (1, GENESIS)
    assert verify([row]).ok


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"text": 'é\U0001f600 \\ " \n', "none": None, "list": [1, 2.5, True]},
        {"big": 2**53, "small": 1e-9, "large": 1e22, "negative": -0.0},
        {1: "key that is no string"},
        {"path": Path("/somewhere")},
    ],
)
def test_hash_survives_the_database(database: Database, details: dict[Any, Any]) -> None:
    """Whatever the details hold, what is read again has the hash that was written."""
    append(database, details=details)
    append(database)

    assert verify(rows(database)).ok


def test_taken_back_with_its_transaction(database: Database) -> None:
    """A transaction that fails leaves no row and no gap."""
    chain = store.AuditChain(ManualClock())

    def fails(connection: Any) -> None:
        chain(connection, system_context(), "thing.do", "thing", "t")
        raise Conflict()

    append(database)
    with pytest.raises(Conflict):
        database.write(fails)
    append(database)

    assert [row["sequence"] for row in rows(database)] == [1, 2]
    assert verify(rows(database)).ok


def test_long_values_are_cut(database: Database) -> None:
    """A value longer than its column is cut before it is hashed."""
    append(database, action="x" * 100, reason="y" * 500)

    (row,) = rows(database)

    assert (len(row["action"]), len(row["reason"])) == (64, 255)
    assert verify([row]).ok


def test_secrets_are_hidden() -> None:
    """Values under keys that name secrets are hidden, however deep they are."""
    told = {"user": {"Password": "p", "name": "n"}, "list": [{"token": "t"}], "code": ""}

    assert without_secrets(told) == {
        "user": {"Password": "***", "name": "n"},
        "list": [{"token": "***"}],
        "code": "",
    }


def test_context_is_kept(database: Database) -> None:
    """A row names user, project and request."""
    context = replace(system_context(), user="u", user_name="ann", project="p")
    chain = store.AuditChain(ManualClock())
    database.write(lambda connection: chain(connection, context, "a", "k", "t"))

    (row,) = rows(database)

    assert (row["user"], row["user_name"], row["project"]) == ("u", "ann", "p")
    assert row["request_id"] == context.request_id


# -- the head in memory ----------------------------------------------------------------


class Writer:
    """A chain that remembers its head, and changes that go well or not."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.chain = store.AuditChain(ManualClock(), database)

    def append(self, connection: Connection) -> None:
        """Append a row."""
        self.chain(connection, system_context(), "thing.do", "thing", "t")

    def fail(self, connection: Connection) -> None:
        """Append a row and fail."""
        self.append(connection)
        raise LookupError

    def fail_at_commit(self, connection: Connection) -> None:
        """Append a row and break a rule that only the commit checks."""
        self.append(connection)
        connection.exec_driver_sql("CREATE TABLE p (k INTEGER PRIMARY KEY)")
        connection.exec_driver_sql("CREATE TABLE c (k INTEGER REFERENCES p (k))")
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        connection.exec_driver_sql("INSERT INTO c VALUES (1)")


@pytest.fixture
def writer(database: Database) -> Writer:
    """Give a chain that remembers its head."""
    return Writer(database)


def test_head_is_remembered(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first row nobody asks the database for the head."""
    asked: list[Head] = []
    read = store.head

    def noted(connection: Connection) -> Head:
        asked.append(read(connection))
        return asked[-1]

    monkeypatch.setattr(store, "head", noted)

    for _ in range(3):
        writer.database.write(writer.append)

    assert [head.sequence for head in asked] == [0]
    assert verify(rows(writer.database)).ok


@pytest.mark.parametrize(
    ("broken", "error"), [("fail", LookupError), ("fail_at_commit", Conflict)]
)
def test_head_after_an_undone_transaction(
    writer: Writer, broken: str, error: type[Exception]
) -> None:
    """A row that was undone is not followed by any."""
    writer.database.write(writer.append)
    with pytest.raises(error):
        writer.database.write(getattr(writer, broken))

    writer.database.write(writer.append)

    found = rows(writer.database)
    assert [row["sequence"] for row in found] == [1, 2]
    assert verify(found).ok


def test_head_after_a_part_taken_back(writer: Writer) -> None:
    """A change that undoes a part of itself goes on from where it was."""

    def change(connection: Connection) -> None:
        writer.append(connection)
        tried = connection.begin_nested()
        writer.append(connection)
        tried.rollback()
        writer.append(connection)

    writer.database.write(change)

    found = rows(writer.database)
    assert [row["sequence"] for row in found] == [1, 2]
    assert verify(found).ok


def test_head_after_an_undone_savepoint(writer: Writer) -> None:
    """Of changes committed together one is undone; the others are one chain."""
    writer.database.write(writer.append)

    batch = [session._Job(change) for change in (writer.append, writer.fail, writer.append)]
    writer.database._commit(batch)

    found = rows(writer.database)
    assert [type(job.error) for job in batch] == [type(None), LookupError, type(None)]
    assert [row["sequence"] for row in found] == [1, 2, 3]
    assert verify(found).ok
