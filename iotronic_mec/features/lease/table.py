"""The table of what goes on under grants."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, String, Table, UniqueConstraint

from iotronic_mec.db.base import key_column, metadata, time_columns
from iotronic_mec.db.types import UTCDateTime

grant_lease = Table(
    "grant_lease",
    metadata,
    key_column(),
    Column("board", String(36), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("subject", String(36), nullable=False),
    Column("grant", String(36), nullable=False),
    Column("lent_kind", String(32), nullable=False),
    Column("lent", String(36), nullable=False),
    Column("action", String(80), nullable=False),
    Column("onboot", Boolean(create_constraint=False), nullable=False),
    Column("check_at", UTCDateTime, nullable=True),
    *time_columns(),
    UniqueConstraint("board", "kind", "subject", "grant"),
    Index(None, "grant"),
    Index(None, "check_at"),
)
"""``check_at``: when to look whether the grant still lets it go on; null for at once."""
