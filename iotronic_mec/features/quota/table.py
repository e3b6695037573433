"""The table of limits that differ from the defaults."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table, UniqueConstraint

from iotronic_mec.db.base import key_column, metadata, time_columns

quota = Table(
    "quota",
    metadata,
    key_column(),
    Column("project", String(64), nullable=False),
    Column("resource", String(64), nullable=False),
    Column("most", BigInteger, nullable=False),
    *time_columns(),
    UniqueConstraint("project", "resource"),
)
"""``project`` is no foreign key: with Keystone, projects are not in this database."""
