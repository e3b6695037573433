"""Runs migrations; all models are known through the registry."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, pool

from iotronic_mec import registry
from iotronic_mec.db import lease_table as _leases
from iotronic_mec.db.base import metadata
from iotronic_mec.events import table as _events

LOADED = (registry.FEATURES, _events, _leases)
"""Named so that the imports above are seen to be wanted: they fill the metadata."""


def run() -> None:
    """Run the migrations in one transaction per revision, in batch mode."""
    url = context.config.get_main_option("sqlalchemy.url")
    if url is None:
        raise RuntimeError("sqlalchemy.url is not set; use 'iotronic-mec db upgrade'")
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=metadata,
            render_as_batch=True,
            transaction_per_migration=True,
            compare_type=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
