"""The table of fleets."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table, UniqueConstraint

from iotronic_mec.db.base import key_column, metadata, time_columns
from iotronic_mec.db.types import JSONText, name_type

fleet = Table(
    "fleet",
    metadata,
    key_column(),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("project", String(36), nullable=False),
    Column("name", name_type(), nullable=False),
    Column("description", String(300), nullable=False),
    Column("extra", JSONText, nullable=False),
    *time_columns(),
    UniqueConstraint("project", "name"),
    Index(None, "project", "created_at", "id"),
    Index(None, "created_at", "id"),
)
