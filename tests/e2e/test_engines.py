"""PostgreSQL and MariaDB: upgrades, several conductors, lost connections.

What every engine shares is in ``tests/functional``, run with ``--database``.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

from iotronic_mec.audit_chain import verify
from iotronic_mec.clock import Clock
from iotronic_mec.cmd import core, db
from iotronic_mec.context import system_context
from iotronic_mec.db import migrate, pipeline, server
from iotronic_mec.db.base import metadata
from iotronic_mec.db.engine import open_database
from iotronic_mec.db.leader import Leader
from iotronic_mec.db.prepared import Prepared
from iotronic_mec.db.session import Database
from iotronic_mec.errors import BadRequest, Busy, Conflict
from iotronic_mec.events import outbox
from iotronic_mec.features.audit import store as audit_store
from tests.e2e import writer
from tests.fakes import engines, upstream_database

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

PROJECTS = ("11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222")
NAMES = 40

note = Table(
    "note",
    MetaData(),
    Column("place", Integer, primary_key=True),
    Column("number", Integer, unique=True),
    Column("word", String(4)),
)


@pytest.fixture(params=list(engines.SERVERS))
def empty(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the URL of a database without tables."""
    url = engines.create(request.param)
    yield url
    engines.drop(url)


@pytest.fixture
def url(empty: str) -> str:
    """Give the URL of a database of this release."""
    migrate.upgrade(empty)
    return empty


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """Give a database with a table of the test's own."""
    administer(url, note.metadata.create_all)
    made = open_database(url)
    yield made
    made.close()


def administer(url: str, function: Any) -> Any:
    """Run a function in a transaction of another process's, so to speak."""
    engine = create_engine(server.parse(url), poolclass=NullPool)
    with engine.begin() as connection:
        found = function(connection)
    engine.dispose()
    return found


def cut(url: str) -> int:
    """Have the server end all connections to a database; return how many."""

    def end(connection: Connection) -> int:
        if connection.dialect.name == "postgresql":
            ended = connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
                    " datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
            return len(ended.all())
        listed = "SELECT id FROM information_schema.processlist WHERE db = DATABASE()"
        pids = connection.execute(text(f"{listed} AND id <> CONNECTION_ID()")).scalars().all()
        for pid in pids:
            connection.execute(text(f"KILL {int(pid)}"))
        return len(pids)

    return int(administer(url, end))


def numbers(database: Database) -> list[int]:
    """Return what is stored, in order."""
    with database.read() as connection:
        return list(connection.execute(select(note.c.number).order_by(note.c.number)).scalars())


def add(number: int) -> Any:
    """Return a change that adds a row."""
    return lambda connection: connection.execute(insert(note).values(number=number))


def test_upgrade_gives_the_models(empty: str) -> None:
    """An empty database upgraded is what the models say, and every index is there."""
    migrate.upgrade(empty)

    def look(connection: Connection) -> tuple[list[Any], dict[str, set[str | None]]]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": migrate.type_differs}
        )
        inspector = inspect(connection)
        indexes = {
            name: {index["name"] for index in inspector.get_indexes(name)}
            for name in metadata.tables
        }
        return compare_metadata(context, metadata), indexes

    differences, indexes = administer(empty, look)
    wanted = {
        name: {index.name for index in table.indexes} for name, table in metadata.tables.items()
    }
    lacking = {
        name: wanted[name] - indexes[name] for name in wanted if wanted[name] - indexes[name]
    }
    assert differences == []
    assert lacking == {}


def test_two_upgrade_at_once(empty: str) -> None:
    """Of two processes that start at once one upgrades and the other one waits."""
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(migrate.upgrade, [empty, empty]))

    assert sorted(done) == [False, True]
    assert migrate.present(empty) == migrate.head()


def test_two_conductors(url: str, tmp_path: Path) -> None:
    """Two processes create the same names: one wins each, and the audit stays one chain."""
    wanted = [(project, f"board-{number}") for number in range(NAMES) for project in PROJECTS]
    spawn = multiprocessing.get_context("spawn")

    with spawn.Manager() as manager, ProcessPoolExecutor(2, mp_context=spawn) as pool:
        start = manager.Barrier(2)
        jobs = [
            pool.submit(writer.create_boards, url, str(tmp_path), start, names)
            for names in (wanted, wanted[::-1])
        ]
        ends = [job.result(90) for job in jobs]

    first, second = ends[0], ends[1][::-1]
    assert [sorted(pair) for pair in zip(first, second, strict=True)] == (
        [["created", "iot.board.exists"]] * len(wanted)
    )
    database = open_database(url, writes=False)
    with database.read() as connection:
        verdict = verify(row.to_wire() for row in audit_store.iter_rows(connection))
        events = outbox.list_after(connection, 0, 1000)
    database.close()
    assert verdict.ok
    assert verdict.rows == len(wanted)
    # both took part, or this shows nothing
    assert Counter(first)["created"] * Counter(second)["created"] > 0
    assert len(events) == len(wanted)


def test_connections_end_while_idle(database: Database, url: str) -> None:
    """After a restart of the server nobody notices anything."""
    database.write(add(1))
    before = numbers(database)

    ended = cut(url)

    database.write(add(2))
    assert ended >= 2
    assert (before, numbers(database)) == ([1], [1, 2])


def test_connection_ends_within_a_change(database: Database, url: str) -> None:
    """A change that lost its connection before the commit is run again, kept and told once."""
    runs, told = list[int](), list[int]()

    def change(connection: Connection) -> None:
        database.when_kept(lambda: told.append(1))
        add(1)(connection)
        runs.append(1)
        if len(runs) == 1:
            cut(url)
        add(2)(connection)

    database.write(change)

    assert (len(runs), len(told)) == (2, 1)
    assert numbers(database) == [1, 2]


def test_connections_that_always_end(database: Database, url: str) -> None:
    """A change that never comes through ends as busy after a few attempts; nothing is kept."""

    def change(connection: Connection) -> None:
        add(1)(connection)
        cut(url)
        add(2)(connection)

    with pytest.raises(Busy):
        database.write(change)

    database.write(add(3))
    assert numbers(database) == [3]


def test_a_writer_that_hangs(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that keeps the turn for itself makes the others say so, not wait for ever."""
    monkeypatch.setattr(server, "LOCK_TIMEOUT_S", 1)
    hanging = create_engine(server.parse(url), poolclass=NullPool)

    with hanging.begin() as connection:
        server.begin(connection)
        with pytest.raises(Busy):
            database.write(add(1))

    hanging.dispose()
    database.write(add(2))
    assert numbers(database) == [2]


def test_mistakes_have_the_same_names(database: Database) -> None:
    """A broken rule is a conflict, a value that does not fit a bad request."""
    database.write(add(1))

    with pytest.raises(Conflict):
        database.write(add(1))
    with pytest.raises(BadRequest):
        database.write(lambda c: c.execute(insert(note).values(number=2, word="too long")))
    with pytest.raises(Busy), database.read() as connection:
        connection.execute(insert(note).values(number=3))
    with pytest.raises(Busy), database.read() as connection:
        connection.execute(text("SELECT * FROM nothing"))

    assert numbers(database) == [1]


NOTE = Prepared(insert(note), "number", "word")


def send(*numbers: int, word: str = "") -> Any:
    """Return a change whose statements may travel with the commit."""

    def change(connection: Connection) -> None:
        for number in numbers:
            NOTE.send(connection, number=number, word=word)

    return change


def test_mistakes_found_at_the_commit(database: Database) -> None:
    """What a statement breaks that nobody waited for fails its change, and no other."""
    database.write(send(1))

    with pytest.raises(Conflict):
        database.write(send(2, 1, 3))
    with pytest.raises(BadRequest):
        database.write(send(4, word="too long"))
    database.write(send(5, 6))

    assert numbers(database) == [1, 5, 6]


def test_order_of_what_is_sent(database: Database) -> None:
    """A question, a savepoint and its end come after what was sent before them."""
    seen = []

    def change(connection: Connection) -> None:
        send(1)(connection)
        seen.append(connection.execute(select(note.c.number)).scalars().all())
        savepoint = connection.begin_nested()
        send(2)(connection)
        savepoint.rollback()
        send(3)(connection)
        with connection.begin_nested():
            send(4)(connection)
        send(5)(connection)

    database.write(change)

    assert seen == [[1]]
    assert numbers(database) == [1, 3, 4, 5]


def test_sent_together(database: Database) -> None:
    """Of changes committed together those fail alone whose statements break a rule."""

    def change(number: int) -> int:
        try:
            database.write(send(number % 50, 1000 + number))
        except Conflict:
            return 0
        return 1

    with ThreadPoolExecutor(16) as pool:
        kept = list(pool.map(change, range(100)))

    assert sum(kept) == 50
    assert len(numbers(database)) == 100


def test_many_sent(database: Database) -> None:
    """More statements than may wait are all written."""
    database.write(send(*range(2 * pipeline.MOST + 3)))

    assert numbers(database) == list(range(2 * pipeline.MOST + 3))


def test_an_error_that_is_swallowed(database: Database, empty: str) -> None:
    """Where the server undoes a transaction after an error, its change fails."""

    def change(connection: Connection) -> None:
        send(2)(connection)
        with contextlib.suppress(IntegrityError):
            connection.execute(insert(note).values(number=1))

    database.write(add(1))
    if empty.startswith("postgresql"):
        with pytest.raises(RuntimeError, match="undone"):
            database.write(change)
        assert numbers(database) == [1]
    else:
        database.write(change)
        assert numbers(database) == [1, 2]
    database.write(add(3))


def test_two_round_trips(empty: str, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """On PostgreSQL a change and its audit row take two: the begin, and the rest."""
    if not empty.startswith("postgresql"):
        return
    trips, alone = [], []
    really = pipeline._send

    def counted(connection: Connection, statements: Any) -> Any:
        trips.append([sent[0].split()[0] for sent in statements])
        return really(connection, statements)

    monkeypatch.setattr(pipeline, "_send", counted)
    event.listen(database._writer, "before_cursor_execute", lambda *told: alone.append(told[2]))
    audit = audit_store.AuditChain(Clock(), database)

    for number in range(3):

        def change(connection: Connection, number: int = number) -> None:
            send(number)(connection)
            audit(connection, system_context(), "note", "note", str(number))

        database.write(change)

    assert trips[-2:] == [["BEGIN", "SELECT", "SELECT"], ["INSERT", "INSERT", "COMMIT"]]
    assert alone == []
    with database.read() as connection:
        verdict = verify(row.to_wire() for row in audit_store.iter_rows(connection))
    assert verdict.ok and verdict.rows == 3


def test_changes_committed_together(database: Database) -> None:
    """Of changes of many threads those that raise are undone alone."""

    def change(number: int) -> int:
        try:
            database.write(add(number % 50))
        except Conflict:
            return 0
        return 1

    with ThreadPoolExecutor(16) as pool:
        kept = list(pool.map(change, range(100)))

    assert sum(kept) == 50
    assert numbers(database) == list(range(50))


def test_one_leads(url: str) -> None:
    """Of two conductors one leads; when it says farewell the other one does."""
    first, second = open_database(url), open_database(url)
    leaders = [Leader(each, Clock(), name) for each, name in ((first, "a"), (second, "b"))]
    leaders[0].start()
    leaders[1].step()
    before = [each.leads() for each in leaders]
    leaders[0].stop()

    leaders[1].step()

    assert before == [True, False]
    assert [each.leads() for each in leaders] == [False, True]
    first.close()
    second.close()


def test_import_from_a_server(empty: str, tmp_path: Path) -> None:
    """An IoTronic database on a server is imported; the dry run changes nothing."""
    upstream_database.make(empty)
    migrate.upgrade(core.database_url(tmp_path))
    command = ["import-iotronic", empty, "--state-dir", str(tmp_path)]
    report = tmp_path / "report.json"

    dry = db.run(command)
    wet = db.run([*command, "--apply", "--report", str(report)])

    told = json.loads(report.read_text(encoding="utf-8"))
    assert (dry, wet) == (1, 1)
    assert told["counts"]["boards"] == {"imported": 2, "imported with a change": 2, "refused": 5}
    assert told["counts"]["enabled_webservices"]["imported"] == 1
    assert told["counts"]["webservices"]["imported"] == 1
    assert told["counts"]["exposed_services"]["imported"] == 1
    assert told["counts"]["ports_on_boards"]["imported"] == 1
    assert told["counts"]["requests"]["imported"] == 8
    assert told["counts"]["results"]["imported"] == 5
    assert told["counts"]["plugins"] == {"imported": 2, "refused": 2}
