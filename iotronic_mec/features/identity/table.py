"""Tables of users and their roles."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, String, Table, UniqueConstraint

from iotronic_mec.db.base import Key, key_column, metadata, time_columns
from iotronic_mec.db.types import name_type

user = Table(
    "identity_user",
    metadata,
    key_column(),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("name", name_type(), nullable=False, unique=True),
    Column("password_hash", String(255), nullable=False),
    Column("enabled", Boolean(create_constraint=False), nullable=False),
    Column("project_id", Key, ForeignKey("project.id"), nullable=True),
    *time_columns(),
    Index(None, "created_at", "id"),
    Index(None, "project_id"),
)

role = Table(
    "identity_role",
    metadata,
    key_column(),
    Column("user_id", Key, ForeignKey("identity_user.id", ondelete="CASCADE"), nullable=False),
    Column("project_id", Key, ForeignKey("project.id"), nullable=False),
    Column("role", String(64), nullable=False),
    UniqueConstraint("user_id", "project_id", "role"),
    Index(None, "project_id"),
)
