"""Databases for tests, on the engine that ``pytest --database`` names.

SQLite: a file of the test's own. A server: databases made once, given out
empty and taken back, since making one takes longer than emptying it. A server
that is not there is a failure, never a skip.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, create_engine, text
from sqlalchemy.pool import NullPool

from iotronic_mec import registry
from iotronic_mec.db import lease_table, server
from iotronic_mec.db.base import metadata
from iotronic_mec.db.engine import sqlite_url
from iotronic_mec.events import table as events

LOADED = (registry.FEATURES, events, lease_table)
"""The metadata is whole once these are imported."""

SERVERS = {
    "postgresql": os.environ.get(
        "IOT_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/postgres"
    ),
    "mariadb": os.environ.get("IOT_TEST_MARIADB", "mariadb://root@127.0.0.1:3306/mysql"),
}
"""Engine to the URL by which databases are made and dropped."""

ENGINES = ("sqlite", *SERVERS)


class Pool:
    """The databases of one run of the tests.

    :param engine: one of :data:`ENGINES`
    """

    def __init__(self, engine: str = "sqlite") -> None:
        self.engine = engine
        self._free: list[str] = []
        self._made: list[str] = []
        self._tables = b""

    @contextmanager
    def url(
        self, folder: Path, *, name: str = "iotronic.sqlite", also: MetaData | None = None
    ) -> Iterator[str]:
        """Give the URL of an empty database that has all tables.

        :param name: of the file, for SQLite
        :param also: tables of the test's own
        """
        if self.engine == "sqlite":
            url = sqlite_url(folder / name)
            self._make_file(folder / name)
            if also is not None:
                _run(url, also.create_all)
            yield url
            return
        url = self._free.pop() if self._free else self._make()
        if also is not None:
            _run(url, also.create_all)
        try:
            yield url
        finally:
            if also is not None:
                _run(url, also.drop_all)
            _run(url, _empty)
            self._free.append(url)

    def close(self) -> None:
        """Drop what was made."""
        while self._made:
            drop(self._made.pop())

    def _make_file(self, file: Path) -> None:
        """Make an SQLite file with all tables: the first one, and copies of it."""
        if self._tables and not file.exists():
            file.write_bytes(self._tables)
            return
        fresh = not file.exists()
        _run(sqlite_url(file), metadata.create_all)
        if fresh:
            self._tables = file.read_bytes()

    def _make(self) -> str:
        url = create(self.engine)
        self._made.append(url)
        _run(url, server.prepare_database)
        _run(url, metadata.create_all)
        return url


POOL = Pool()
"""Replaced by ``pytest_configure``."""


def create(engine: str) -> str:
    """Make a database with a random name on a server; return its URL."""
    name = f"iot_test_{secrets.token_hex(6)}"
    made = {
        "postgresql": f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'",
        "mariadb": f"CREATE DATABASE {name} CHARACTER SET utf8mb4",
    }
    _administer(engine, made[engine])
    url = server.parse(SERVERS[engine]).set(database=name)
    return url.render_as_string(hide_password=False)


def drop(url: str) -> None:
    """Drop a database made by :func:`create`."""
    parsed = server.parse(url)
    force = " WITH (FORCE)" if parsed.get_backend_name() == "postgresql" else ""
    _administer(parsed.get_backend_name(), f"DROP DATABASE IF EXISTS {parsed.database}{force}")


def _administer(engine: str, statement: str) -> None:
    url = server.parse(SERVERS[engine])
    made = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with made.connect() as connection:
        connection.execute(text(statement))
    made.dispose()


def _run(url: str, function: Callable[[Connection], Any]) -> None:
    made = create_engine(server.parse(url), poolclass=NullPool)
    with made.begin() as connection:
        function(connection)
    made.dispose()


def _empty(connection: Connection) -> None:
    for table in reversed(metadata.sorted_tables):
        connection.execute(table.delete())
