"""The table of services."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, UniqueConstraint

from iotronic_mec.db.base import key_column, metadata, time_columns
from iotronic_mec.db.types import JSONText, name_type

service = Table(
    "service",
    metadata,
    key_column(),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("project", String(36), nullable=False),
    Column("name", name_type(), nullable=False),
    Column("port", Integer, nullable=False),
    Column("protocol", String(3), nullable=False),
    Column("public", Boolean(create_constraint=False), nullable=False),
    Column("extra", JSONText, nullable=False),
    *time_columns(),
    UniqueConstraint("project", "name"),
    Index(None, "project", "created_at", "id"),
    Index(None, "created_at", "id"),
    Index(None, "public", "name"),
    sqlite_autoincrement=True,
)
