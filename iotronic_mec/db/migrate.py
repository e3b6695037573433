"""Finds and runs the migrations.

In a checkout they are in ``alembic/`` beside the package, in an installed
wheel in ``iotronic_mec/migrations``. They are found by path and never
imported as a package.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

import iotronic_mec


def folder() -> Path:
    """Return the folder that holds ``env.py``.

    :raises FileNotFoundError: the installation is not whole
    """
    package = Path(iotronic_mec.__file__).resolve().parent
    for candidate in (package / "migrations", package.parent / "alembic"):
        if (candidate / "env.py").is_file():
            return candidate
    raise FileNotFoundError("the migrations are missing: install iotronic_mec anew")


def configuration(url: str) -> Config:
    """Return alembic's configuration for one database."""
    config = Config()
    config.set_main_option("script_location", str(folder()))
    # a per cent sign would be read as an interpolation
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def head() -> str:
    """Return the newest revision."""
    script = ScriptDirectory.from_config(configuration("sqlite://"))
    return str(script.get_current_head())


def present(url: str) -> str | None:
    """Return the revision a database is at, ``None`` for an empty one."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def upgrade(url: str, revision: str = "head") -> bool:
    """Bring a database to a revision; say whether there was anything to do.

    The caller holds the conductor's lock.
    """
    if revision == "head" and present(url) == head():
        return False
    command.upgrade(configuration(url), revision)
    return True
