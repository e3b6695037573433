"""The table of idempotency keys."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, String, Table

from iotronic_mec.db.base import key_column, metadata
from iotronic_mec.db.types import UTCDateTime

idempotency = Table(
    "idempotency",
    metadata,
    key_column(),
    Column("mark", String(64), nullable=False, unique=True),
    Column("digest", String(64), nullable=False),
    Column("salt", String(36), nullable=False),
    Column("boot", String(36), nullable=False),
    Column("began_at", UTCDateTime, nullable=False),
    Column("answer", LargeBinary(16_777_215), nullable=True),
    Index(None, "began_at"),
)
