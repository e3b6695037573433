"""The table of boards whose web servers may be published."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from iotronic_mec.db.base import Key, key_column, metadata, time_columns
from iotronic_mec.db.types import JSONText, name_type
from iotronic_mec.features.holding.table import holder_columns

enabled_webservice = Table(
    "enabled_webservice",
    metadata,
    key_column(),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("board_id", Key, ForeignKey("board.id", ondelete="CASCADE"), nullable=False),
    Column("project", String(36), nullable=False),
    Column("dns", name_type(100), nullable=False),
    Column("zone", name_type(100), nullable=False),
    Column("email", String(254), nullable=False),
    Column("http_port", Integer, nullable=False, unique=True),
    Column("https_port", Integer, nullable=False, unique=True),
    Column("extra", JSONText, nullable=False),
    *holder_columns(),
    *time_columns(),
    UniqueConstraint("board_id"),
    UniqueConstraint("dns", "zone"),
    Index(None, "project", "created_at", "id"),
    Index(None, "state"),
    sqlite_autoincrement=True,
)
"""That names are nobody else's, web services' included, is kept by ``holding.key``."""
