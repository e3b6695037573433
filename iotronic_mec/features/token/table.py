"""The table of tokens."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, String, Table

from iotronic_mec.db.base import Key, key_column, metadata, time_columns
from iotronic_mec.db.types import UTCDateTime, name_type

token = Table(
    "token",
    metadata,
    key_column(),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("name", name_type(), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("user_id", Key, ForeignKey("identity_user.id", ondelete="CASCADE"), nullable=False),
    Column("project_id", Key, ForeignKey("project.id", ondelete="CASCADE"), nullable=False),
    Column("role", String(64), nullable=True),
    Column("expires_at", UTCDateTime, nullable=True),
    Column("last_used_at", UTCDateTime, nullable=True),
    *time_columns(),
    Index(None, "user_id", "created_at", "id"),
    Index(None, "project_id"),
)
