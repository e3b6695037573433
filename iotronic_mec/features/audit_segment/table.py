"""The table of sealed segments; a row stays for good."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table

from iotronic_mec.db.base import key_column, metadata, time_columns
from iotronic_mec.db.types import UTCDateTime

audit_segment = Table(
    "audit_segment",
    metadata,
    key_column(),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("first", BigInteger, nullable=False, unique=True),
    Column("last", BigInteger, nullable=False, unique=True),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("first_at", UTCDateTime, nullable=False),
    Column("last_at", UTCDateTime, nullable=False),
    *time_columns(),
)
"""``first`` and ``last`` are sequences of the audit, ``first_at`` and ``last_at`` these
rows' times; ``previous`` is the hash before the first row, ``hash`` that of the last;
``digest`` and ``size`` are the file's, whose bytes are in the storage."""
