"""Tables of requests and operations."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    literal_column,
    text,
)

from iotronic_mec.db.base import Key, key_column, metadata, time_columns
from iotronic_mec.db.types import LONG_TEXT, JSONText, UTCDateTime
from iotronic_mec.operation import OPEN

_STATES = [f"'{state}'" for state in sorted(OPEN)]
_OPEN = text(f"state IN ({', '.join(_STATES)})")


def is_open(state: Column[Any]) -> ColumnElement[bool]:
    """Return the condition that a state is open, word for word as the partial indexes say it.

    With bound values instead of these words SQLite would not use them.
    Source: SQLite documentation, "Partial Indexes", section 3.1.
    """
    return state.in_([literal_column(each) for each in _STATES])


request = Table(
    "request",
    metadata,
    key_column(),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("project", String(36), nullable=False),
    Column("user", String(64), nullable=False),
    Column("board", String(36), nullable=False),
    Column("action", String(40), nullable=False),
    Column("kind", Integer, nullable=False),
    Column("main_request", String(36), nullable=True),
    Column("pending", Integer, nullable=False),
    Column("total", Integer, nullable=True),
    Column("state", String(12), nullable=False),
    Column("version", Integer, nullable=False),
    Column("cause", JSONText, nullable=True),
    Column("deadline_at", UTCDateTime, nullable=False),
    *time_columns(),
    Index(None, "project", "created_at", "id"),
    Index(None, "created_at", "id"),
    Index(None, "state", "deadline_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
    sqlite_autoincrement=True,
)

operation = Table(
    "operation",
    metadata,
    key_column(),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("request_id", Key, ForeignKey("request.id", ondelete="CASCADE"), nullable=False),
    Column("board", String(36), nullable=False),
    Column("procedure", String(40), nullable=False),
    Column("parameters", JSONText, nullable=False),
    Column("state", String(12), nullable=False),
    Column("version", Integer, nullable=False),
    Column("message", LONG_TEXT, nullable=True),
    Column("cause", JSONText, nullable=True),
    Column("finished_at", UTCDateTime, nullable=True),
    *time_columns(),
    Index(None, "request_id"),
    Index(None, "board", "state", sqlite_where=_OPEN, postgresql_where=_OPEN),
    sqlite_autoincrement=True,
)
"""IoTronic's *result*; ``message`` is JSON text, up to 1 MiB."""
