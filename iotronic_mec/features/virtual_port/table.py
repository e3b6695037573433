"""The table of virtual ports."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table

from iotronic_mec.db.base import Key, key_column, metadata, time_columns
from iotronic_mec.db.types import JSONText
from iotronic_mec.features.holding.table import holder_columns

virtual_port = Table(
    "virtual_port",
    metadata,
    key_column(),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("board_id", Key, ForeignKey("board.id", ondelete="CASCADE"), nullable=False),
    Column("project", String(36), nullable=False),
    Column("network", String(36), nullable=False),
    Column("subnet", String(36), nullable=True),
    Column("security_groups", JSONText, nullable=False),
    Column("tcp_port", Integer, nullable=False, unique=True),
    Column("mac", String(32), nullable=True),
    Column("ip", String(45), nullable=True),
    Column("prefix_length", Integer, nullable=True),
    Column("external", String(64), nullable=True),
    *holder_columns(),
    *time_columns(),
    Index(None, "project", "created_at", "id"),
    Index(None, "board_id", "created_at", "id"),
    Index(None, "state"),
    sqlite_autoincrement=True,
)
