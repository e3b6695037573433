"""The one MetaData of all tables, and the columns every table has."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Integer, MetaData

from iotronic_mec.db.types import UTCDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""All tables of all features; named constraints, so that migrations can find them."""

Key = BigInteger().with_variant(Integer(), "sqlite")
"""Type of database keys: 64 bits everywhere, SQLite's own rowid there."""


def key_column() -> Column[Any]:
    """Return the primary key column; it leaves the store nowhere."""
    return Column("id", Key, primary_key=True, autoincrement=True)


def time_columns() -> tuple[Column[Any], Column[Any]]:
    """Return ``created_at`` (never null) and ``updated_at`` (null until a change)."""
    return (
        Column("created_at", UTCDateTime, nullable=False),
        Column("updated_at", UTCDateTime, nullable=True),
    )
