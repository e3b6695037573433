"""The table of the audit; rows are only ever added."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, String, Table, Text

from iotronic_mec.db.base import key_column, metadata
from iotronic_mec.db.types import UTCDateTime

audit = Table(
    "audit",
    metadata,
    key_column(),
    Column("sequence", BigInteger, nullable=False, unique=True),
    Column("time", UTCDateTime, nullable=False),
    Column("project", String(64), nullable=False),
    Column("user", String(64), nullable=False),
    Column("user_name", String(255), nullable=False),
    Column("action", String(64), nullable=False),
    Column("target_kind", String(64), nullable=False),
    Column("target", String(255), nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("reason", String(255), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("details", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index(None, "project", "sequence"),
    Index(None, "target", "sequence"),
)
