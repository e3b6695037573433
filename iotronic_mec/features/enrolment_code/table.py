"""The table of enrolment codes."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table

from iotronic_mec.db.base import key_column, metadata, time_columns
from iotronic_mec.db.types import UTCDateTime

enrolment_code = Table(
    "enrolment_code",
    metadata,
    key_column(),
    Column("board", String(36), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("public_key", String(64), nullable=True),
    Column("used_at", UTCDateTime, nullable=True),
    *time_columns(),
    Index(None, "board"),
    sqlite_autoincrement=True,
)
"""``digest`` is a keyed hash; the code itself is kept nowhere."""
