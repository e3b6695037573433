"""Tables of boards, their labels and places."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, String, Table, UniqueConstraint

from iotronic_mec.db.base import Key, key_column, metadata, time_columns
from iotronic_mec.db.types import JSONText, UTCDateTime, name_type

board = Table(
    "board",
    metadata,
    key_column(),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("project", String(36), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("name", name_type(), nullable=False),
    Column("type", String(255), nullable=True),
    Column("status", String(15), nullable=False),
    Column("status_at", UTCDateTime, nullable=True),
    Column("agent", String(36), nullable=True),
    Column("session", String(20), nullable=True),
    Column("fleet", String(36), nullable=True),
    Column("mobile", Boolean(create_constraint=False), nullable=False),
    Column("lr_version", String(20), nullable=True),
    Column("level", String(20), nullable=True),
    Column("public_key", String(64), nullable=True),
    Column("connectivity", JSONText, nullable=False),
    Column("capabilities", JSONText, nullable=False),
    Column("extra", JSONText, nullable=False),
    Column("config", JSONText, nullable=False),
    *time_columns(),
    UniqueConstraint("project", "name"),
    Index(None, "project", "created_at", "id"),
    Index(None, "created_at", "id"),
    Index(None, "agent", "status"),
    Index(None, "fleet", "created_at", "id"),
    sqlite_autoincrement=True,
)

board_label = Table(
    "board_label",
    metadata,
    key_column(),
    Column("board_id", Key, ForeignKey("board.id", ondelete="CASCADE"), nullable=False),
    Column("key", name_type(63), nullable=False),
    Column("value", name_type(), nullable=False),
    UniqueConstraint("board_id", "key"),
    Index(None, "key", "value", "board_id"),
)

board_location = Table(
    "board_location",
    metadata,
    key_column(),
    Column("board_id", Key, ForeignKey("board.id", ondelete="CASCADE"), nullable=False),
    Column("longitude", String(18), nullable=False),
    Column("latitude", String(18), nullable=False),
    Column("altitude", String(18), nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
    Index(None, "board_id", "id"),
)
