"""All rows of a database as lines of JSON, the same from every engine.

One line a row, one file a table, read in one snapshot while the cloud goes
on writing; times are microseconds since 1970, bytes base64. What SQLite has
written can be loaded into PostgreSQL or MariaDB, and back.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from sqlalchemy import Connection, LargeBinary, Table, create_engine, func, insert, select
from sqlalchemy.pool import NullPool

from iotronic_mec.db import server
from iotronic_mec.db.base import metadata
from iotronic_mec.db.types import UTCDateTime, from_micros, to_micros
from iotronic_mec.errors import BadRequest, Conflict

BATCH = 500
"""Rows written at once."""

LEFT_OUT = frozenset({"lease"})
"""Tables of the moment only: which processes live belongs to no backup."""


def tables() -> list[Table]:
    """Return the tables of a backup, each after those it refers to."""
    return [table for table in metadata.sorted_tables if table.name not in LEFT_OUT]


@contextmanager
def snapshot(url: str) -> Iterator[Connection]:
    """Give a connection that sees one moment of the database throughout."""
    parsed = server.parse(url)
    options: dict[str, Any] = {}
    if parsed.get_backend_name() != "sqlite":
        options["isolation_level"] = "REPEATABLE READ"
    engine = create_engine(parsed, poolclass=NullPool, **options)
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                # the driver would begin only before a change
                connection.exec_driver_sql("BEGIN")
            yield connection
            connection.rollback()
    finally:
        engine.dispose()


def iter_lines(connection: Connection, table: Table) -> Iterator[bytes]:
    """Yield the rows of a table as JSON, in the order of their keys."""
    keys = list(table.primary_key.columns)
    rows = connection.execution_options(yield_per=BATCH).execute(select(table).order_by(*keys))
    for row in rows:
        yield orjson.dumps(
            {str(column.name): _out(column.type, row._mapping[column]) for column in table.columns}
        )


def is_empty(connection: Connection) -> bool:
    """Whether a database of this release has no rows."""
    return all(
        connection.execute(select(table.primary_key.columns[0]).limit(1)).first() is None
        for table in tables()
    )


@contextmanager
def loading(url: str) -> Iterator[Connection]:
    """Give a connection whose work is kept whole, or not at all.

    :raises Conflict: the database has rows
    """
    engine = create_engine(server.parse(url), poolclass=NullPool)
    try:
        with engine.begin() as connection:
            if not is_empty(connection):
                raise Conflict("the database is not empty: restore into an empty one")
            yield connection
            if connection.dialect.name == "postgresql":
                _set_sequences(connection)
    finally:
        engine.dispose()


def load(connection: Connection, name: str, lines: Iterable[bytes]) -> int:
    """Insert the rows of one table; return how many.

    Columns a line does not have, since it was written by an older release,
    get their default.

    :raises BadRequest: a table or column this release does not have
    """
    table = metadata.tables.get(name)
    if table is None or name in LEFT_OUT:
        raise BadRequest(f"the backup has a table {name[:64]!r} this release does not know")
    count, batch = 0, list[dict[str, Any]]()
    for line in lines:
        given = orjson.loads(line)
        unknown = sorted(set(given) - set(table.columns.keys()))
        if unknown:
            raise BadRequest(f"table {name} of the backup has an unknown column {unknown[0][:64]}")
        batch.append({key: _in(table.c[key].type, value) for key, value in given.items()})
        if len(batch) == BATCH:
            connection.execute(insert(table), batch)
            count, batch = count + len(batch), []
    if batch:
        connection.execute(insert(table), batch)
    return count + len(batch)


def _set_sequences(connection: Connection) -> None:
    """Have PostgreSQL go on counting behind the keys loaded."""
    for table in tables():
        if "id" in table.columns:
            key = table.c.id
            newest = select(func.coalesce(func.max(key), 0) + 1).scalar_subquery()
            sequence = func.pg_get_serial_sequence(table.name, "id")
            connection.execute(select(func.setval(sequence, newest, False)))


def _out(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, UTCDateTime):
        return to_micros(value)
    if isinstance(kind, LargeBinary):
        return base64.b64encode(value).decode()
    return value


def _in(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, UTCDateTime):
        return from_micros(value)
    if isinstance(kind, LargeBinary):
        return base64.b64decode(value)
    return value
