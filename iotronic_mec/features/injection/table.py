"""The table of injections."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

from iotronic_mec.db.base import Key, key_column, metadata, time_columns
from iotronic_mec.db.types import JSONText

injection = Table(
    "injection",
    metadata,
    key_column(),
    Column("board_id", Key, ForeignKey("board.id", ondelete="CASCADE"), nullable=False),
    Column("plugin_id", Key, ForeignKey("plugin.id"), nullable=False),
    Column("status", String(15), nullable=False),
    Column("onboot", Boolean(create_constraint=False), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("size", Key, nullable=False),
    Column("times", Integer, nullable=False),
    Column("running", Boolean(create_constraint=False), nullable=False),
    Column("parameters", JSONText, nullable=False),
    Column("actual", String(64), nullable=True),
    Column("pid", Integer, nullable=True),
    Column("started_at", String(40), nullable=True),
    Column("cause", JSONText, nullable=True),
    *time_columns(),
    UniqueConstraint("board_id", "plugin_id"),
    Index(None, "plugin_id"),
    sqlite_autoincrement=True,
)
"""``times``: how often it was confirmed, which tells injected from updated."""
