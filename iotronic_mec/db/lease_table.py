"""The table of leases: who does what only one process of the cloud may do."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table

from iotronic_mec.db.base import metadata

lease = Table(
    "lease",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("beat", BigInteger, nullable=False),
)
"""``holder`` is empty when nobody holds it; ``beat`` counts up while somebody does."""
