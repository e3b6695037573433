"""Readers and the one writer.

Readers get a connection in AUTOCOMMIT, one per thread, which lives as long as
the thread and is never touched by another one. Everything that
changes the database goes through :meth:`Database.write`: there is one writing
connection, and callers that come while a commit is under way are committed
together with the next one (group commit), so that ``synchronous=FULL`` costs
one fsync for all of them. Never hold the writer across a call to a board.

On a server several processes write; their transactions take turns. There a
transaction that met a deadlock or a lost connection before its commit is run
again, a few times: a function given to :meth:`Database.write` may be called
more than once and keeps nothing outside the connection but its result.

Usage::

    with database.read() as connection:
        board = store.get_board(connection, project, uuid)
    database.write(lambda connection: store.insert_board(connection, board))
"""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine, RootTransaction, event
from sqlalchemy.exc import DBAPIError

from iotronic_mec import metrics
from iotronic_mec.db import faults, server
from iotronic_mec.db.prepared import Prepared
from iotronic_mec.db.readers import Readers
from iotronic_mec.errors import Busy, Unavailable

LOG = logging.getLogger(__name__)

Result = TypeVar("Result")

MAX_WAITING = 256
"""Most callers waiting for the writer; one more is told to come back later."""

WRITE_TIMEOUT_S = 30.0
"""Longest wait for the writer, seconds."""

ATTEMPTS = 3
"""How often a transaction on a server is tried in all."""

PAUSE_S = 0.05
"""Pause before the second attempt, seconds, doubled for the third, with jitter."""


class _Job(Generic[Result]):
    """One caller's function, and how it ended."""

    __slots__ = ("error", "function", "kept", "leads", "ready", "result")

    def __init__(self, function: Callable[[Connection], Result]) -> None:
        self.function = function
        self.result: Result | None = None
        self.error: BaseException | None = None
        self.kept: list[Callable[[], None]] = []
        self.leads = False
        self.ready = threading.Event()

    def run(
        self, connection: Connection, after: Callable[[Connection], None] | None = None
    ) -> bool:
        """Run the function; keep what it raised; say whether it went well.

        :param after: called when it went well, and may fail as well
        """
        try:
            self.result = self.function(connection)
            if after is not None:
                after(connection)
        except BaseException as error:
            # kept for the caller, whose thread raises it
            self.error = error
            return False
        return True


class Database:
    """What the API and the conductor know of the database.

    :param reader: engine whose connections are in AUTOCOMMIT
    :param writer: engine for the one writing connection, ``None`` where this
        process only reads
    """

    def __init__(self, reader: Engine, writer: Engine | None) -> None:
        self._reader = reader
        self._writer = writer
        self._local = threading.local()
        self._readers = None if reader.dialect.name == "sqlite" else Readers(reader)
        self._lock = threading.Lock()
        self._waiting: list[_Job[Any]] = []
        self._busy = False
        self._closed = False
        self._idle = threading.Condition(self._lock)
        self._connection: Connection | None = None
        self._after: list[Callable[[], None]] = []
        self._running: _Job[Any] | None = None
        self._undone: list[Callable[[], None]] = []
        self._asked: list[tuple[Prepared, Callable[[Sequence[Any] | None], None]]] = []
        self.exclusive = writer is not None and writer.dialect.name == "sqlite"
        """Whether nobody else writes: an embedded file, held by its lock."""
        if writer is not None:
            # a change that takes back a part of itself
            event.listen(writer, "rollback_savepoint", lambda *_: self._undo())

    def after_commit(self, function: Callable[[], None]) -> None:
        """Have a quick function called after every commit, in the writing thread."""
        self._after.append(function)

    def when_kept(self, function: Callable[[], None]) -> None:
        """Have a quick function called once what is being written now is durable.

        From inside a function given to :meth:`write`, whose caller returns after it;
        not called when nothing is kept, and once however often that function runs.
        """
        if self._running is None:
            raise RuntimeError("nothing is being written")
        self._running.kept.append(function)

    def after_undo(self, function: Callable[[], None]) -> None:
        """Have a quick function called whenever something written is undone.

        In the writing thread, before anything else is written: for those who
        remember what they wrote last.
        """
        self._undone.append(function)

    def ask_first(
        self, statement: Prepared, learn: Callable[[Sequence[Any] | None], None]
    ) -> None:
        """Have something asked at the begin of every transaction on a server.

        :param statement: a query without values
        :param learn: quick; told its rows before anything is written, in the writing
            thread; ``None`` where that would cost a round trip: ask when it is needed
        """
        self._asked.append((statement, learn))

    def waiting(self) -> int:
        """Return how many callers wait for the writer; any thread."""
        return len(self._waiting)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a reading connection, on SQLite this thread's own; any thread.

        :raises Busy: the database does not answer at the moment
        :raises BadRequest: a value asked for fits no column
        """
        try:
            if self._readers is not None:
                with self._readers.lend() as lent:
                    yield lent
                return
            connection: Connection | None = getattr(self._local, "connection", None)
            if connection is None or connection.closed or connection.invalidated:
                connection = self._reader.connect()
                self._local.connection = connection
            yield connection
        except (DBAPIError, sqlite3.Error) as error:
            translated = faults.of_read(error)
            if translated is error:
                raise
            raise translated from error

    def write(self, function: Callable[[Connection], Result]) -> Result:
        """Run a function in a transaction and return after it is durable.

        The function must not wait for anything else and must not call
        ``write`` again. When it raises, nothing it did is kept and the error
        is raised here. Any thread; blocks up to :data:`WRITE_TIMEOUT_S`.

        :raises Conflict: when a unique or foreign key rule is broken
        :raises BadRequest: when a value does not fit its column
        :raises Busy: when too many callers wait; nothing was written
        :raises Unavailable: when the commit took too long; whether it was
            written is not known
        """
        job = _Job(function)
        with self._lock:
            if self._closed:
                raise Busy("the database is being closed; try again later")
            if len(self._waiting) >= MAX_WAITING:
                raise Busy("too many changes are waiting to be written; try again later")
            self._waiting.append(job)
            leads = not self._busy
            self._busy = True
        if not leads and not job.ready.wait(WRITE_TIMEOUT_S):
            with self._lock:
                # one that was just made the leader has to lead, or nobody does
                if job in self._waiting and not job.leads:
                    self._waiting.remove(job)
                    raise Busy("the database did not take the change in time; try again later")
            if not job.ready.wait(WRITE_TIMEOUT_S):
                raise Unavailable("the database did not say in time whether it took the change")
        if leads or job.leads:
            self._lead()
        if job.error is not None:
            raise faults.of_write(job.error)
        return job.result  # type: ignore[return-value]

    def close(self) -> None:
        """Take no more changes, let those under way end, close the connections.

        Reading connections of other threads end with their threads: to close
        one that is in use would crash the process. Blocks up to
        :data:`WRITE_TIMEOUT_S`.
        """
        with self._lock:
            self._closed = True
            if self._idle.wait_for(lambda: not self._busy, WRITE_TIMEOUT_S):
                self._drop()
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
        if self._readers is not None:
            self._readers.close()
        self._reader.dispose()
        if self._writer is not None:
            self._writer.dispose()

    def _lead(self) -> None:
        """Commit all that waits, then hand the lead on; one thread at a time."""
        with self._lock:
            batch, self._waiting = self._waiting, []
        began_s = time.perf_counter()
        try:
            self._commit(batch)
            for job in batch:
                for tell in job.kept if job.error is None else ():
                    tell()
        finally:
            metrics.COMMITS.add(time.perf_counter() - began_s)
            with self._lock:
                heir = self._waiting[0] if self._waiting else None
                if heir is None:
                    self._busy = False
                    self._idle.notify_all()
                else:
                    heir.leads = True
            for job in batch:
                job.ready.set()
            if heir is not None:
                heir.ready.set()
        for function in self._after:
            function()

    def _commit(self, batch: list[_Job[Any]]) -> None:
        try:
            if self.exclusive:
                self._by_driver(self._open(), batch)
            else:
                self._on_server(batch)
        except BaseException as error:
            # a failed commit fails every caller of the batch; nothing was kept
            for job in batch:
                job.error = job.error or error
            self._undo()
            self._drop()

    def _by_driver(self, connection: Connection, batch: list[_Job[Any]]) -> None:
        """Run a batch on SQLite; the driver itself begins and commits.

        SQLAlchemy believes in one transaction for as long as the connection
        lives: its own would cost 0.1 ms each time.
        """
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.execute("BEGIN IMMEDIATE")
        if len(batch) == 1:
            if self._run(batch[0], connection):
                driver.execute("COMMIT")
            else:
                self._undo()
                driver.execute("ROLLBACK")
            return
        for job in batch:
            driver.execute("SAVEPOINT job")
            if not self._run(job, connection):
                self._undo()
                driver.execute("ROLLBACK TO job")
            driver.execute("RELEASE job")
        driver.execute("COMMIT")

    def _on_server(self, batch: list[_Job[Any]]) -> None:
        """Run a batch on a server, again when nothing of it was kept."""
        for attempt in range(1, ATTEMPTS + 1):
            for job in batch:
                job.result = job.error = None
            try:
                self._begin_and_run(batch)
                return
            except DBAPIError as error:
                self._undo()
                self._drop()
                if attempt == ATTEMPTS or not server.is_transient(error):
                    raise
                LOG.warning("the database did not take a change, attempt %d: %s", attempt, error)
            time.sleep(random.uniform(0.5, 1.5) * PAUSE_S * attempt)  # noqa: S311

    def _begin_and_run(self, batch: list[_Job[Any]]) -> None:
        """Run a batch in one transaction.

        :raises DBAPIError: the whole transaction failed
        :raises Unavailable: it may have been kept, or not
        """
        connection = self._open()
        transaction = connection.begin()
        answers = server.begin_with(connection, [statement for statement, _ in self._asked])
        for (_, learn), rows in zip(self._asked, answers, strict=True):
            learn(rows)
        if len(batch) == 1:
            # needs no savepoint: there is nobody whose work must be kept
            self._alone(connection, transaction, batch[0])
            return
        for job in batch:
            savepoint = connection.begin_nested()
            if self._run(job, connection, server.flush):
                savepoint.commit()
                continue
            server.raise_transient(job.error)
            savepoint.rollback()
        server.commit(connection, transaction)

    def _alone(self, connection: Connection, transaction: RootTransaction, job: _Job[Any]) -> None:
        if self._run(job, connection):
            try:
                server.commit(connection, transaction)
                return
            except DBAPIError as error:
                job.error = error
        server.raise_transient(job.error)
        self._undo()
        transaction.rollback()

    def _run(
        self,
        job: _Job[Any],
        connection: Connection,
        after: Callable[[Connection], None] | None = None,
    ) -> bool:
        """Run one caller's function; see :meth:`_Job.run`."""
        job.kept.clear()
        self._running = job
        try:
            return job.run(connection, after)
        finally:
            self._running = None

    def _undo(self) -> None:
        for function in self._undone:
            function()

    def _open(self) -> Connection:
        if self._writer is None:
            raise Busy("this process only reads the database")
        if self._connection is None or not self._is_usable(self._connection):
            self._drop()
            self._connection = self._writer.connect()
        return self._connection

    def _is_usable(self, connection: Connection) -> bool:
        if connection.dialect.name != "sqlite":
            return server.is_usable(connection)
        return not (connection.closed or connection.invalidated)

    def _drop(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            if connection.dialect.name == "sqlite":
                connection.close()
            else:
                server.discard(connection)
