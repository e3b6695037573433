"""The table of exposed services."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from iotronic_mec.db.base import Key, key_column, metadata, time_columns
from iotronic_mec.features.holding.table import holder_columns

exposed_service = Table(
    "exposed_service",
    metadata,
    key_column(),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("board_id", Key, ForeignKey("board.id", ondelete="CASCADE"), nullable=False),
    Column("service_id", Key, ForeignKey("service.id"), nullable=False),
    Column("public_port", Integer, nullable=False, unique=True),
    *holder_columns(),
    *time_columns(),
    UniqueConstraint("board_id", "service_id"),
    Index(None, "service_id"),
    Index(None, "board_id", "created_at", "id"),
    Index(None, "state"),
    sqlite_autoincrement=True,
)
