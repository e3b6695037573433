"""Reads a database made by IoTronic's own schema; changes nothing in it.

Source: openstack/iotronic, ``iotronic/db/sqlalchemy/models.py``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, Table, create_engine, inspect, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from iotronic_mec.db import server
from iotronic_mec.errors import BadRequest, Unavailable

NEEDED = ("boards", "plugins", "fleets")
"""Tables without which it is no such database."""


class Upstream:
    """The tables of one database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.tables = frozenset(inspect(connection).get_table_names())
        self._known: dict[str, Table] = {}

    def iter_rows(self, name: str, **equal: Any) -> Iterator[Mapping[str, Any]]:
        """Yield the rows of a table in the order they were made; none if it is not there.

        :param equal: column to the value it has to have
        """
        if name not in self.tables:
            return
        if name not in self._known:
            self._known[name] = Table(name, MetaData(), autoload_with=self._connection)
        table = self._known[name]
        query = select(table).where(*(table.c[key] == value for key, value in equal.items()))
        for row in self._connection.execute(query.order_by(table.c.id)):
            yield dict(row._mapping)


@contextmanager
def opened(url: str) -> Iterator[Upstream]:
    """Open a database for reading.

    :raises Unavailable: it cannot be reached, or there is no such file
    :raises BadRequest: it was not made by IoTronic
    """
    parsed = server.parse(url)
    if parsed.drivername.startswith("sqlite") and not Path(parsed.database or "").is_file():
        # SQLite would make it
        raise Unavailable(f"there is no file {parsed.database}: name IoTronic's database")
    engine = create_engine(parsed, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            found = Upstream(connection)
            lacking = sorted(set(NEEDED) - found.tables)
            if lacking:
                raise BadRequest(f"this is no database of IoTronic: it has no table {lacking[0]}")
            yield found
    except DBAPIError as error:
        raise Unavailable(f"IoTronic's database cannot be read: {error.orig}") from error
    finally:
        engine.dispose()


def moment(value: Any, otherwise: datetime) -> datetime:
    """Return a time of IoTronic's, which is UTC without saying so."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return otherwise
    if not isinstance(value, datetime):
        return otherwise
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def json_object(value: Any) -> dict[str, Any]:
    """Return a JSON column's object; empty for null.

    :raises ValueError: it is no JSON object
    """
    if value in (None, ""):
        return {}
    found = json.loads(value) if isinstance(value, str | bytes) else value
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ValueError("is no JSON object")
    return found
