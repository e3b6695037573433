"""The table of projects."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table

from iotronic_mec.db.base import key_column, metadata, time_columns
from iotronic_mec.db.types import name_type

project = Table(
    "project",
    metadata,
    key_column(),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("name", name_type(), nullable=False, unique=True),
    Column("description", String(4096), nullable=False),
    *time_columns(),
    Index(None, "created_at", "id"),
)
