"""Group commit and readers: what is kept, in which order, and who is told."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Connection, Integer, MetaData, Table, insert, select, text
from sqlalchemy.exc import DataError, OperationalError

from iotronic_mec.db import session
from iotronic_mec.db.engine import open_database, sqlite_url
from iotronic_mec.db.prepared import Prepared
from iotronic_mec.db.session import Database
from iotronic_mec.errors import BadRequest, Busy, Conflict, Unavailable

LIMIT_S = 5.0
note = Table(
    "note",
    MetaData(),
    Column("place", Integer, primary_key=True),
    Column("number", Integer, unique=True),
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Give a database with one table."""
    made = open_database(sqlite_url(tmp_path / "d.sqlite"))
    made.write(note.metadata.create_all)
    yield made
    made.close()


class Gate:
    """Holds the writer, so that those who come meanwhile are committed together."""

    def __init__(self, database: Database) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()
        self._database = database
        self._thread = threading.Thread(target=self._hold)

    def __enter__(self) -> Gate:
        self._thread.start()
        assert self.entered.wait(LIMIT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.opened.set()
        self._thread.join(LIMIT_S)

    def wait_for(self, count: int) -> None:
        """Return when so many callers wait."""
        pause = threading.Event()
        while len(self._database._waiting) < count:
            pause.wait(0.001)

    def _hold(self) -> None:
        def stay(_: Connection) -> None:
            self.entered.set()
            assert self.opened.wait(LIMIT_S)

        self._database.write(stay)


def add(number: int, *, fails: bool = False) -> Any:
    """Return a change that adds a row and then, perhaps, raises."""

    def change(connection: Connection) -> int:
        connection.execute(insert(note).values(number=number))
        if fails:
            raise LookupError(str(number))
        return number

    return change


def numbers(database: Database) -> list[int]:
    """Return what is stored, in the order written."""
    with database.read() as connection:
        rows = connection.execute(select(note.c.number).order_by(note.c.place))
        return [row.number for row in rows]


def write_together(database: Database, changes: list[Any]) -> list[Any]:
    """Hand in changes in this order while the writer is busy; return how each ended."""

    def write(change: Any) -> Any:
        try:
            return database.write(change)
        except (LookupError, Conflict, Busy, OperationalError) as error:
            return error

    with ThreadPoolExecutor(max(1, len(changes))) as pool:
        with Gate(database) as gate:
            ends = []
            for count, change in enumerate(changes, start=1):
                ends.append(pool.submit(write, change))
                gate.wait_for(count)
        return [end.result(LIMIT_S) for end in ends]


@given(fails=st.lists(st.booleans(), max_size=12))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_those_that_raise_are_not_kept(database: Database, fails: list[bool]) -> None:
    """Of changes committed together exactly those that did not raise are kept, in order."""
    database.write(lambda connection: connection.execute(note.delete()))

    ends = write_together(database, [add(at, fails=bad) for at, bad in enumerate(fails)])

    kept = [at for at, bad in enumerate(fails) if not bad]
    assert numbers(database) == kept
    assert [end for end in ends if isinstance(end, int)] == kept
    assert [isinstance(end, LookupError) for end in ends] == fails


def test_broken_rule_is_a_conflict(database: Database) -> None:
    """A broken unique rule fails its own caller only, as a conflict."""
    ends = write_together(database, [add(1), add(1), add(2)])

    assert [type(end) for end in ends] == [int, Conflict, int]
    assert numbers(database) == [1, 2]


def test_prepared_statements_break_rules_alike(database: Database) -> None:
    """What the driver raises itself is the same conflict, and the same when reading."""
    prepared = Prepared(insert(note), "number")
    database.write(lambda connection: prepared.rows(connection, number=1))

    with pytest.raises(Conflict):
        database.write(lambda connection: prepared.rows(connection, number=1))
    with pytest.raises(Busy), database.read() as connection:
        prepared.rows(connection, number=2)

    assert numbers(database) == [1]


def test_alone_and_raising(database: Database) -> None:
    """A change that comes alone and raises is not kept, and the writer goes on."""
    with pytest.raises(LookupError):
        database.write(add(1, fails=True))

    database.write(add(2))

    assert numbers(database) == [2]


def refer_to_nothing(connection: Connection) -> None:
    """Write what only the commit finds wrong: a reference to a row there is not."""
    connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    connection.exec_driver_sql("INSERT INTO child (place) VALUES (99)")


@pytest.fixture
def child(database: Database) -> None:
    """Make a table that refers to the notes."""
    made = "CREATE TABLE child (place INTEGER REFERENCES note (place))"
    database.write(lambda connection: connection.exec_driver_sql(made).close())


@pytest.mark.usefixtures("child")
def test_failing_commit_fails_all(database: Database) -> None:
    """When the commit fails every caller of the batch is told, and nothing is kept."""
    undone: list[None] = []
    database.after_undo(lambda: undone.append(None))
    ends = write_together(database, [add(1), refer_to_nothing, add(2, fails=True)])

    database.write(add(3))

    assert [type(end) for end in ends] == [Conflict, Conflict, LookupError]
    assert numbers(database) == [3]
    assert len(undone) == 2


@pytest.mark.usefixtures("child")
def test_failing_commit_alone(database: Database) -> None:
    """A change whose commit fails is told, not kept, and the writer goes on."""
    with pytest.raises(Conflict):
        database.write(refer_to_nothing)

    database.write(add(1))

    assert numbers(database) == [1]


def test_savepoints_of_a_change(database: Database) -> None:
    """A change may try something and undo it within itself."""

    def change(connection: Connection) -> None:
        add(1)(connection)
        tried = connection.begin_nested()
        add(2)(connection)
        tried.rollback()

    database.write(change)

    assert numbers(database) == [1]


def test_many_threads(database: Database) -> None:
    """Under many threads every change is kept once and every caller gets its own result."""
    with ThreadPoolExecutor(32) as pool:
        ends = list(pool.map(lambda at: database.write(add(at)), range(400)))

    assert ends == list(range(400))
    assert sorted(numbers(database)) == ends


def test_after_commit_sees_the_change(database: Database) -> None:
    """Whoever is called after a commit reads what was committed."""
    seen: list[list[int]] = []
    database.after_commit(lambda: seen.append(numbers(database)))

    database.write(add(1))

    assert seen == [[1]]


def counting(database: Database, told: list[int], number: int, *, fails: bool = False) -> Any:
    """Return a change that adds a row and tells of it once it is kept."""

    def change(connection: Connection) -> int:
        database.when_kept(lambda: told.append(number))
        return int(add(number, fails=fails)(connection))

    return change


def test_what_is_kept_is_told(database: Database) -> None:
    """Once for each change that is kept, before its caller returns; not for the others."""
    told: list[int] = []
    alone = database.write(counting(database, told, 1))
    told_alone = list(told)
    with pytest.raises(LookupError):
        database.write(counting(database, told, 2, fails=True))

    changes = [counting(database, told, number, fails=number == 4) for number in (3, 4, 5)]
    write_together(database, [*changes, add(1)])

    assert (alone, told_alone) == (1, [1])
    assert told == [1, 3, 5]
    assert numbers(database) == [1, 3, 5]


@pytest.mark.usefixtures("child")
def test_what_a_failed_commit_lost_is_not_told(database: Database) -> None:
    """Nothing is told of a change the commit undid; the next one is."""
    told: list[int] = []

    def change(connection: Connection) -> None:
        database.when_kept(lambda: told.append(1))
        refer_to_nothing(connection)

    with pytest.raises(Conflict):
        database.write(change)
    database.write(counting(database, told, 2))

    assert told == [2]


def test_nothing_is_told_outside_of_a_change(database: Database) -> None:
    """Who writes nothing has nothing that could be kept."""
    with pytest.raises(RuntimeError, match="nothing is being written"):
        database.when_kept(lambda: None)


def test_too_many_wait(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """One caller more than may wait is told to come back."""
    monkeypatch.setattr(session, "MAX_WAITING", 0)

    with pytest.raises(Busy):
        database.write(add(1))

    assert numbers(database) == []


def test_waiting_too_long(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller whose turn does not come is told that nothing was written, and it is so."""
    monkeypatch.setattr(session, "WRITE_TIMEOUT_S", 0.01)

    with Gate(database), pytest.raises(Busy):
        database.write(add(1))

    database.write(add(2))
    assert numbers(database) == [2]


def test_commit_under_way_too_long(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that is being committed for too long raises instead of returning."""
    job: session._Job[None] = session._Job(lambda _: None)
    monkeypatch.setattr(session, "_Job", lambda _: job)
    monkeypatch.setattr(session, "WRITE_TIMEOUT_S", 0.01)
    monkeypatch.setattr(database, "_busy", True)

    class Taking(list[Any]):
        """A queue whose jobs are taken at once by a leader that never ends."""

        def append(self, _: Any) -> None:
            """Take it."""

    monkeypatch.setattr(database, "_waiting", Taking())

    with pytest.raises(Unavailable):
        database.write(lambda _: None)

    monkeypatch.setattr(database, "_busy", False)


def test_heir_leads_although_late(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller made the leader at the moment its patience ends leads all the same."""
    monkeypatch.setattr(session, "WRITE_TIMEOUT_S", 0.01)
    job: session._Job[int] = session._Job(add(1))
    job.leads = True
    monkeypatch.setattr(session, "_Job", lambda _: job)
    monkeypatch.setattr(database, "_busy", True)
    waited: list[float | None] = []

    def wait(limit: float | None = None) -> bool:
        waited.append(limit)
        return len(waited) > 1

    monkeypatch.setattr(job.ready, "wait", wait)

    database.write(add(1))

    assert numbers(database) == [1]
    assert database._busy is False


def test_readers_do_not_disturb_each_other(database: Database) -> None:
    """More readers than any pool holds read at the same time, again and again."""
    database.write(add(1))
    together = threading.Barrier(40)

    def read(_: int) -> list[list[int]]:
        found = []
        for _again in range(3):
            together.wait(LIMIT_S)
            found.append(numbers(database))
        return found

    with ThreadPoolExecutor(40) as pool:
        found = list(pool.map(read, range(40)))

    assert found == [[[1], [1], [1]]] * 40


def test_reader_cannot_write(database: Database) -> None:
    """What is given for reading refuses to write."""
    with pytest.raises(Busy), database.read() as connection:
        connection.execute(insert(note).values(number=1))


def test_reading_an_absent_table_is_our_error(database: Database) -> None:
    """What the driver raises while reading becomes an error the callers know."""
    with pytest.raises(Busy), database.read() as connection:
        connection.execute(text("SELECT * FROM nothing"))


def test_reading_goes_on_after_an_error(database: Database) -> None:
    """After an error the thread's connection serves on."""
    database.write(add(1))
    with pytest.raises(Busy), database.read() as connection:
        connection.execute(text("SELECT * FROM nothing"))

    found = numbers(database)

    assert found == [1]


def test_close_lets_the_change_end(database: Database) -> None:
    """Closing waits for the change under way and takes no more."""
    with ThreadPoolExecutor(1) as pool:
        with Gate(database):
            closing = pool.submit(database.close)
            with database._lock:
                database._idle.wait_for(lambda: database._closed, LIMIT_S)
            with pytest.raises(Busy):
                database.write(add(1))
        closing.result(LIMIT_S)

    assert numbers(database) == []


def test_only_reading(tmp_path: Path, database: Database) -> None:
    """A process that only reads cannot write."""
    reading = open_database(sqlite_url(tmp_path / "d.sqlite"), writes=False)

    with pytest.raises(Busy):
        reading.write(add(1))

    reading.close()


def test_the_writer_is_safe(database: Database) -> None:
    """The writer uses WAL, full synchronisation and foreign keys."""
    wanted = ("journal_mode", "synchronous", "foreign_keys")

    found = database.write(
        lambda c: [c.exec_driver_sql(f"PRAGMA {name}").scalar() for name in wanted]
    )

    assert found == ["wal", 2, 1]


@pytest.mark.parametrize(
    "error", [sqlite3.DataError("planted"), DataError("SELECT", {}, sqlite3.DataError("planted"))]
)
def test_values_that_do_not_fit(database: Database, error: Exception) -> None:
    """A value the database cannot keep is the caller's mistake, written or asked for."""

    def refuse(_connection: Connection) -> None:
        raise error

    with pytest.raises(BadRequest):
        database.write(refuse)
    with pytest.raises(BadRequest), database.read() as connection:
        refuse(connection)
