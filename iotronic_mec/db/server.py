"""PostgreSQL and MariaDB: what differs from an embedded file, in one place.

Several processes may write one server database. Their transactions take turns:
each begins by locking one row (:func:`begin`). So a command that looks and
then writes needs no further lock, the audit stays one chain, and the numbers
of events are committed in their order. Almost every transaction appends to the
audit and would wait there anyway; group commit keeps the price low.

Any server's commit is durable by its own default
(PostgreSQL ``synchronous_commit``, InnoDB ``innodb_flush_log_at_trx_commit``).
"""

from __future__ import annotations

import select as io_select
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    RootTransaction,
    create_engine,
    event,
    insert,
    select,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.pool import NullPool, QueuePool

from iotronic_mec.db import pipeline
from iotronic_mec.db.lease_table import lease
from iotronic_mec.db.prepared import Prepared
from iotronic_mec.errors import BadRequest, Unavailable
from iotronic_mec.missing import missing

DRIVERS: Mapping[str, str] = MappingProxyType(
    {
        "postgresql": "postgresql+psycopg",
        "postgres": "postgresql+psycopg",
        "mariadb": "mariadb+pymysql",
        "mysql": "mariadb+pymysql",
    }
)
"""Scheme of a URL to the dialect and driver used for it."""

EXTRAS: Mapping[str, str] = MappingProxyType({"postgresql": "postgresql", "mariadb": "mariadb"})
"""Dialect to the extra that brings its driver."""

CONNECT_TIMEOUT_S = 5
"""Longest wait for the server to take a connection, seconds."""

LOCK_TIMEOUT_S = 8
"""Longest wait for a lock, seconds: below the writer's own limit, so that it can try again."""

STATEMENT_TIMEOUT_S = 30
"""Longest run of one statement, seconds."""

ABANDONED_S = 30
"""The server ends a transaction whose process says nothing for so long, seconds:
a stopped conductor must not keep the others from writing."""

WRITER = "writer"
"""Name of the row whose lock is the turn to write."""

TRANSIENT: Mapping[str, frozenset[Any]] = MappingProxyType(
    {
        # serialization failure, deadlock, lock not available, idle in transaction
        "postgresql": frozenset({"40001", "40P01", "55P03", "25P03"}),
        # lock wait timeout, deadlock, snapshot too old
        "mariadb": frozenset({1205, 1213, 1020}),
    }
)
"""Dialect to the codes after which the same transaction may be tried again.

Source: PostgreSQL documentation, appendix A; MariaDB documentation, error codes."""

UNFIT_CODES = frozenset({1264, 1265, 1292, 1366, 1406, 3140})
"""MariaDB's codes of values that fit no column; its driver files some of them elsewhere.

Source: MariaDB documentation, error codes."""

UNREADY_CODES = frozenset({"42P01", "42703", "25006", 1146, 1054, 1792})
"""Codes of a table or column that is not there (yet), and of a connection that only
reads: what SQLite files as operational errors."""

_TURN = select(lease.c.name).where(lease.c.name == WRITER).with_for_update()
_TURN_PREPARED = Prepared(_TURN)


def parse(url: str) -> URL:
    """Return the URL of a server database with the driver we use.

    :raises BadRequest: it is no such URL
    :raises Unavailable: the extra of its driver is not installed
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        # never the URL itself: it may hold a password
        raise BadRequest("[database] connection is no URL of a database") from error
    scheme = parsed.drivername.partition("+")[0]
    if scheme == "sqlite":
        return parsed
    if scheme not in DRIVERS:
        raise BadRequest(
            f"[database] connection: {scheme[:20]!r} is not known; "
            "use postgresql://, mariadb:// or leave it empty"
        )
    driver = DRIVERS[scheme]
    absent = missing(EXTRAS[driver.partition("+")[0]])
    if absent:
        raise Unavailable(absent[0])
    if driver.startswith("mariadb"):
        parsed = parsed.update_query_dict({"charset": "utf8mb4"})
    return parsed.set(drivername=driver)


def engine(url: str, *, writes: bool) -> Engine:
    """Make the engine of the readers, or of the one writing connection.

    :param writes: one connection, READ COMMITTED: with the turn to write held
        each statement sees all that was committed before
    """
    parsed = parse(url)
    pipelined = writes and _is_pg(parsed)
    given: dict[str, Any] = (
        {
            "poolclass": QueuePool,
            "pool_size": 1,
            "max_overflow": 0,
            # with a pipeline the transaction itself says READ COMMITTED
            "isolation_level": "AUTOCOMMIT" if pipelined else "READ COMMITTED",
        }
        if writes
        else {"poolclass": NullPool, "isolation_level": "AUTOCOMMIT"}
    )
    made = create_engine(parsed, connect_args=_connect_args(parsed), **given)
    event.listen(made, "connect", _prepare_postgresql if _is_pg(parsed) else _prepare_mariadb)
    if not writes:
        event.listen(made, "connect", _only_reads)
    if pipelined:
        pipeline.prepare(made)
    return made


def begin_with(connection: Connection, asked: Sequence[Prepared]) -> list[Sequence[Any] | None]:
    """Begin a transaction of the writer and take the turn to write.

    :param asked: what most transactions ask first, without values
    :returns: the rows of each; ``None``: not asked, it would have been a round trip
    """
    if connection.dialect.name != "postgresql":
        begin(connection)
        return [None] * len(asked)
    queries = [query.bound(connection) for query in asked]
    taken, *answers = pipeline.begin(connection, [_TURN_PREPARED.bound(connection), *queries])
    if not taken:
        begin(connection)
        return [query.rows(connection) for query in asked]
    return list(answers)


def flush(connection: Connection) -> None:
    """Have the server run what has been left for later."""
    if connection.dialect.name == "postgresql":
        pipeline.flush(connection)


def commit(connection: Connection, transaction: RootTransaction) -> None:
    """Commit a transaction of :func:`begin_with`.

    :raises DBAPIError: nothing was kept
    :raises Unavailable: it is not known whether it was
    """
    try:
        if connection.dialect.name == "postgresql":
            pipeline.commit(connection)
        # for PostgreSQL it only says to SQLAlchemy that the transaction has ended
        transaction.commit()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Unavailable(
                "the database did not say whether it took the change; look before repeating"
            ) from error
        raise


def begin(connection: Connection) -> None:
    """Take the turn to write; held until the transaction ends.

    The row is made when it is missing, as in a database just made.
    """
    if connection.execute(_TURN).first() is not None:
        return
    try:
        with connection.begin_nested():
            connection.execute(insert(lease).values(name=WRITER, holder="", beat=0))
    except IntegrityError:
        # another process made it meanwhile; wait for its turn to end
        connection.execute(_TURN).first()


def is_transient(error: BaseException | None) -> bool:
    """Whether nothing of the transaction was kept and it may be tried again."""
    if not isinstance(error, DBAPIError):
        return False
    return error.connection_invalidated or _code(error) in _CODES


def raise_transient(error: BaseException | None) -> None:
    """Raise an error that fails the whole transaction and none else."""
    if error is not None and is_transient(error):
        raise error


def is_unfit(error: BaseException) -> bool:
    """Whether a value does not fit its column, whatever class the driver chose."""
    return isinstance(error, DBAPIError) and _code(error) in UNFIT_CODES


def is_unready(error: BaseException) -> bool:
    """Whether the schema is not that of this release, or the connection only reads."""
    return isinstance(error, DBAPIError) and _code(error) in UNREADY_CODES


def is_usable(connection: Connection) -> bool:
    """Whether an idle connection is still good; costs no round trip when it is.

    A server that was restarted has closed the socket, which makes it readable.
    """
    if connection.closed or connection.invalidated:
        return False
    driver = connection.connection.driver_connection
    descriptor = _descriptor(driver)
    if descriptor is None or descriptor < 0:
        return False
    poll = io_select.poll()
    poll.register(descriptor, io_select.POLLIN)
    if not poll.poll(0):
        return True
    try:
        return bool(connection.dialect.do_ping(connection.connection.dbapi_connection))  # type: ignore[arg-type]
    except connection.dialect.loaded_dbapi.Error:
        return False


def discard(connection: Connection) -> None:
    """Drop a connection that is of no use any more."""
    if not connection.closed:
        if not connection.invalidated:
            connection.invalidate()
        connection.close()


_CODES = frozenset().union(*TRANSIENT.values())


def _code(error: DBAPIError) -> Any:
    """Return MariaDB's number, which stands first, or PostgreSQL's SQLSTATE."""
    arguments = getattr(error.orig, "args", ())
    if arguments and isinstance(arguments[0], int):
        return arguments[0]
    return getattr(error.orig, "sqlstate", None)


def _descriptor(driver: Any) -> int | None:
    if hasattr(driver, "pgconn"):
        return None if driver.closed else int(driver.fileno())
    socket = getattr(driver, "_sock", None)
    return None if socket is None else int(socket.fileno())


def _is_pg(url: URL) -> bool:
    return url.get_backend_name() == "postgresql"


def _connect_args(url: URL) -> dict[str, Any]:
    if _is_pg(url):
        return {
            "connect_timeout": CONNECT_TIMEOUT_S,
            "keepalives_idle": 30,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "application_name": "iotronic-mec",
        }
    limit = STATEMENT_TIMEOUT_S + CONNECT_TIMEOUT_S
    return {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "read_timeout": limit,
        "write_timeout": limit,
    }


def _prepare_postgresql(driver: Any, _record: Any) -> None:
    before, driver.autocommit = driver.autocommit, True
    driver.execute(
        f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'; "
        f"SET statement_timeout = '{STATEMENT_TIMEOUT_S}s'; "
        f"SET idle_in_transaction_session_timeout = '{ABANDONED_S}s'"
    )
    driver.autocommit = before


def _prepare_mariadb(driver: Any, _record: Any) -> None:
    # strict: a value that does not fit is refused, never cut, whatever the server's default
    cursor = driver.cursor()
    cursor.execute(
        f"SET SESSION innodb_lock_wait_timeout = {LOCK_TIMEOUT_S},"
        f" max_statement_time = {STATEMENT_TIMEOUT_S},"
        f" idle_transaction_timeout = {ABANDONED_S},"
        " sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
        "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"
    )
    cursor.close()


def _only_reads(driver: Any, _record: Any) -> None:
    cursor = driver.cursor()
    if hasattr(driver, "pgconn"):
        driver.autocommit = True
        cursor.execute("SET default_transaction_read_only = on")
    else:
        cursor.execute("SET SESSION TRANSACTION READ ONLY")
    cursor.close()


def exact_order(connection: Connection, column: Any) -> Any:
    """Return a text column as it sorts letter by letter, like on the other engines."""
    if connection.dialect.name == "postgresql":
        return column.collate("C")
    return column


def prepare_database(connection: Connection) -> None:
    """Make new tables of a MariaDB database compare letter by letter.

    PostgreSQL and SQLite do so anyway when they compare for equality.
    """
    if connection.dialect.name in ("mariadb", "mysql"):
        connection.execute(text("ALTER DATABASE CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin"))
