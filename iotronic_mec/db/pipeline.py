"""PostgreSQL's pipeline: statements nobody waits for travel together.

A round trip to the server costs more than a small statement, and a command has
about ten: begin, the turn to write, the end of the audit, its inserts, commit. Here
they are two: what a transaction begins with is one, its inserts and the commit
are the other. Statements keep their order: whatever else is asked on the
connection, a savepoint too, sends what waits before it.

The writing connection is in AUTOCOMMIT for its driver; begin and commit are ours.
All functions but :func:`ask`: the writer's thread only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

MOST = 256
"""Most statements that wait; one more sends them."""

Statement = tuple[str, Any]
"""Text in the driver's spelling, and its values."""

_KEY = "iotronic.waiting"
_BEGIN: Statement = ("BEGIN ISOLATION LEVEL READ COMMITTED", None)
_COMMIT: Statement = ("COMMIT", None)


def prepare(engine: Engine) -> None:
    """Have an engine's connections send what waits before anything else."""
    event.listen(engine, "before_cursor_execute", lambda connection, *_: flush(connection))
    # what waits is newer than any savepoint, since making one sends what waits
    event.listen(engine, "rollback_savepoint", lambda connection, *_: _forget(connection))
    event.listen(engine, "rollback", _forget)


def begin(connection: Connection, statements: Sequence[Statement]) -> list[Sequence[Any]]:
    """Begin a transaction with these; return the rows of each.

    :raises DBAPIError: one of them failed
    """
    _forget(connection)
    begun, *cursors = _send(connection, [_BEGIN, *statements])
    del begun
    return [cursor.fetchall() for cursor in cursors]


def ask(connection: Connection, statement: Statement) -> Sequence[Any]:
    """Send what waits and this statement; return its rows. Any connection to PostgreSQL.

    :raises DBAPIError: it failed
    """
    flush(connection)
    text, values = statement
    cursor: Any = connection.connection.cursor()
    try:
        cursor.execute(text, values)
        return cursor.fetchall() if cursor.description else []
    except connection.dialect.loaded_dbapi.Error as error:
        raise _wrapped(connection, text, error) from error
    finally:
        cursor.close()


def later(connection: Connection, statement: Statement) -> None:
    """Send a statement with those that follow; its rows are not looked at.

    What it breaks is raised by whatever sends it, at the latest by :func:`commit`.
    """
    waiting = connection.info.setdefault(_KEY, [])
    waiting.append(statement)
    if len(waiting) >= MOST:
        flush(connection)


def flush(connection: Connection) -> None:
    """Send what waits.

    :raises DBAPIError: one of the statements failed
    """
    waiting = connection.info.pop(_KEY, None)
    if waiting:
        _send(connection, waiting)


def commit(connection: Connection) -> None:
    """Send what waits and commit.

    :raises DBAPIError: nothing was kept; or, where the connection was lost, it is
        not known
    """
    *_, committed = _send(connection, [*connection.info.pop(_KEY, ()), _COMMIT])
    if committed.statusmessage != "COMMIT":
        # a function went on after an error of the database: the server has undone all
        raise RuntimeError("the database has undone the transaction: a statement in it failed")


def _forget(connection: Connection) -> None:
    if not (connection.closed or connection.invalidated):
        connection.info.pop(_KEY, None)


def _send(connection: Connection, statements: Sequence[Statement]) -> list[Any]:
    driver: Any = connection.connection.driver_connection
    cursors = []
    text = ""
    try:
        with driver.pipeline():
            for text, values in statements:
                cursor = driver.cursor()
                cursor.execute(text, values)
                cursors.append(cursor)
    except connection.dialect.loaded_dbapi.Error as error:
        raise _wrapped(connection, text, error) from error
    return cursors


def _wrapped(connection: Connection, text: str, error: Any) -> BaseException:
    """Return the driver's error as SQLAlchemy raises it, the connection marked when it is lost."""
    dialect = connection.dialect
    driver: Any = connection.connection.driver_connection
    lost = driver.closed or dialect.is_disconnect(error, driver, None)
    if lost:
        connection.invalidate(error)
    made: BaseException = DBAPIError.instance(
        text,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=bool(lost),
        dialect=dialect,
    )
    return made
