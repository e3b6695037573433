"""Table of plugins."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, String, Table, UniqueConstraint

from iotronic_mec.db.base import key_column, metadata, time_columns
from iotronic_mec.db.types import JSONText, name_type

plugin = Table(
    "plugin",
    metadata,
    key_column(),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("project", String(36), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("name", name_type(), nullable=False),
    Column("public", Boolean(create_constraint=False), nullable=False),
    Column("callable", Boolean(create_constraint=False), nullable=False),
    Column("parameters", JSONText, nullable=False),
    Column("extra", JSONText, nullable=False),
    Column("format", String(8), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    *time_columns(),
    UniqueConstraint("project", "name"),
    Index(None, "project", "created_at", "id"),
    Index(None, "created_at", "id"),
    Index(None, "public", "created_at", "id"),
    Index(None, "public", "name"),
)
"""The bytes are a blob; ``digest`` and ``size`` say which."""
