"""Tables of grants and of their uses. Things lent have no foreign keys here."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, String, Table

from iotronic_mec.db.base import key_column, metadata, time_columns
from iotronic_mec.db.types import JSONText, UTCDateTime

grant = Table(
    "grant",
    metadata,
    key_column(),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("parent", String(36), nullable=True),
    Column("owner", String(64), nullable=False),
    Column("by_user", String(64), nullable=False),
    Column("by_project", String(64), nullable=False),
    Column("to_kind", String(8), nullable=False),
    Column("to", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("target", String(36), nullable=False),
    Column("actions", JSONText, nullable=False),
    Column("not_before", UTCDateTime, nullable=True),
    Column("expires_at", UTCDateTime, nullable=True),
    Column("hours", JSONText, nullable=True),
    Column("max_uses", BigInteger, nullable=True),
    Column("relend", Boolean(create_constraint=False), nullable=False),
    Column("description", String(1024), nullable=False),
    Column("uses", BigInteger, nullable=False),
    Column("revoked_at", UTCDateTime, nullable=True),
    *time_columns(),
    Index(None, "to", "owner"),
    Index(None, "parent"),
    Index(None, "by_project", "created_at", "id"),
    Index(None, "kind", "target"),
)

grant_use = Table(
    "grant_use",
    metadata,
    key_column(),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("grant", String(36), nullable=False),
    Column("user", String(64), nullable=False),
    Column("project", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("target", String(36), nullable=False),
    Column("action", String(80), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("request", String(36), nullable=True),
    *time_columns(),
    Index(None, "grant", "created_at", "id"),
    Index(None, "request"),
)
