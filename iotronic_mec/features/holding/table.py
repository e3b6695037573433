"""The table of holdings, and the columns of what holds them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Index, Integer, String, Table

from iotronic_mec.db.base import key_column, metadata, time_columns
from iotronic_mec.db.types import JSONText, UTCDateTime, name_type

holding = Table(
    "holding",
    metadata,
    key_column(),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("holder", String(36), nullable=False),
    Column("kind", String(15), nullable=False),
    Column("key", name_type(), nullable=True, unique=True),
    Column("project", String(36), nullable=False),
    Column("board", String(36), nullable=False),
    Column("spec", JSONText, nullable=False),
    Column("facts", JSONText, nullable=False),
    Column("state", String(15), nullable=False),
    Column("cause", JSONText, nullable=True),
    Column("attempts", Integer, nullable=False),
    Column("retry_at", UTCDateTime, nullable=True),
    *time_columns(),
    Index(None, "holder"),
    Index(None, "board"),
    Index(None, "state", "retry_at"),
    sqlite_autoincrement=True,
)
"""``board`` is no foreign key: what is outside has to be given back after the
board is deleted. ``key`` is unique over public ports and host names alike."""


def holder_columns() -> tuple[Column[Any], Column[Any]]:
    """Return the columns of a noun that holds things: its state, and why."""
    return (
        Column("state", String(15), nullable=False),
        Column("cause", JSONText, nullable=True),
    )
