"""The outbox table."""

from __future__ import annotations

from sqlalchemy import Column, String, Table, Text

from iotronic_mec.db.base import key_column, metadata
from iotronic_mec.db.types import UTCDateTime

event = Table(
    "event",
    metadata,
    key_column(),
    Column("project", String(36), nullable=False),
    Column("topic", String(64), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    sqlite_autoincrement=True,
)
"""One row an event; ``id`` is the sequence and is never used twice."""

event_position = Table(
    "event_position",
    metadata,
    Column("consumer", String(64), primary_key=True),
    Column("sequence", event.c.id.type, nullable=False),
)
"""How far each consumer has got."""
