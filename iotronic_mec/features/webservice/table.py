"""The table of web services."""

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
from iotronic_mec.db.types import JSONText, name_type
from iotronic_mec.features.holding.table import holder_columns

webservice = Table(
    "webservice",
    metadata,
    key_column(),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("board_id", Key, ForeignKey("board.id", ondelete="CASCADE"), nullable=False),
    Column("project", String(36), nullable=False),
    Column("name", name_type(63), nullable=False),
    Column("port", Integer, nullable=False),
    Column("secure", Boolean(create_constraint=False), nullable=False),
    Column("host", name_type(253), nullable=False),
    Column("extra", JSONText, nullable=False),
    *holder_columns(),
    *time_columns(),
    UniqueConstraint("board_id", "name"),
    UniqueConstraint("board_id", "port"),
    Index(None, "project", "created_at", "id"),
    Index(None, "board_id", "created_at", "id"),
    Index(None, "state"),
    sqlite_autoincrement=True,
)
