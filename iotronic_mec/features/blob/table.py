"""Tables of blobs, what uses them, and room reserved for uploads."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, String, Table, UniqueConstraint

from iotronic_mec.db.base import Key, key_column, metadata, time_columns
from iotronic_mec.db.types import UTCDateTime

blob = Table(
    "blob",
    metadata,
    key_column(),
    Column("digest", String(64), nullable=False),
    Column("project", String(36), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("unused_at", UTCDateTime, nullable=True),
    *time_columns(),
    UniqueConstraint("digest", "project"),
    Index(None, "project"),
    Index(None, "unused_at"),
)
"""One content as one project holds it; ``unused_at`` is null while it is used."""

blob_use = Table(
    "blob_use",
    metadata,
    key_column(),
    Column("blob_id", Key, ForeignKey("blob.id"), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("target", String(80), nullable=False),
    UniqueConstraint("blob_id", "kind", "target"),
    Index(None, "kind", "target"),
)
"""``kind`` and ``target`` say what uses it: a noun and one uuid or two; no
foreign key, since any feature uses blobs."""

blob_reservation = Table(
    "blob_reservation",
    metadata,
    key_column(),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("project", String(36), nullable=False),
    Column("size", BigInteger, nullable=False),
    *time_columns(),
    Index(None, "project"),
    Index(None, "created_at"),
)
