"""Engines for the reader and the one writer; PostgreSQL's and MariaDB's in ``server``.

SQLite: WAL, ``synchronous=FULL`` (with group commit one fsync serves all who
wait), foreign keys on. The writer begins with ``BEGIN IMMEDIATE``: a
transaction that reads first and writes later would fail at once when another
writer came between.
Source: SQLite documentation, "Write-Ahead Logging" and "PRAGMA synchronous".
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

from iotronic_mec.db import server
from iotronic_mec.db.session import Database

BUSY_TIMEOUT_MS = 5000
"""How long SQLite itself waits for a lock, ms; only the migration tool can hold one."""


def sqlite_url(path: Path) -> str:
    """Return the URL of a database file."""
    return f"sqlite:///{path}"


def open_database(url: str, *, writes: bool = True) -> Database:
    """Open a database for reading, and for writing where asked.

    :param url: SQLAlchemy URL
    """
    return Database(_reader(url), _writer(url) if writes else None)


def is_sqlite(url: str) -> bool:
    """Whether a URL names an SQLite file."""
    return url.startswith("sqlite")


def _reader(url: str) -> Engine:
    if not is_sqlite(url):
        return server.engine(url, writes=False)
    # Each thread keeps its connection for good, so there is nothing to pool. A pool
    # with a limit would make the next thread wait for ever; SingletonThreadPool
    # closes connections other threads are using, which crashes in sqlite3.
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    event.listen(engine, "connect", _prepare_reader)
    return engine


def _writer(url: str) -> Engine:
    if not is_sqlite(url):
        return server.engine(url, writes=True)
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        connect_args={"check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare_writer)
    return engine


def _prepare_reader(connection: sqlite3.Connection, _record: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA query_only = ON")


def _prepare_writer(connection: sqlite3.Connection, _record: Any) -> None:
    # the driver must not begin transactions of its own: Database tells it when
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
