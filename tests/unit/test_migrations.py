"""Migrations: from nothing to the models and back, and whose ``alembic`` is whose."""

from __future__ import annotations

from pathlib import Path

import alembic
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect

from iotronic_mec import registry
from iotronic_mec.db import migrate
from iotronic_mec.db.base import metadata
from iotronic_mec.db.engine import sqlite_url
from iotronic_mec.events import table as events

LOADED = (registry.FEATURES, events)
"""The metadata is whole once these are imported."""


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Give the address of a database that does not exist yet; its name needs quoting."""
    return sqlite_url(tmp_path / "a%20b.sqlite")


def tables(url: str) -> set[str]:
    """Return the names of all tables."""
    engine = create_engine(url)
    found = set(inspect(engine).get_table_names())
    engine.dispose()
    return found


def test_upgrade_gives_the_models(url: str) -> None:
    """An empty database upgraded to the newest revision is what the models say."""
    migrate.upgrade(url)

    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    engine.dispose()
    assert differences == []
    assert tables(url) == {*metadata.tables, "alembic_version"}


def test_indexes_are_those_of_the_models(url: str) -> None:
    """Every index of the models is there by its name, and no other."""
    migrate.upgrade(url)

    engine = create_engine(url)
    inspector = inspect(engine)
    found = {name: {i["name"] for i in inspector.get_indexes(name)} for name in metadata.tables}
    engine.dispose()
    wanted = {
        name: {index.name for index in table.indexes} for name, table in metadata.tables.items()
    }
    assert found == wanted


def test_upgrade_twice(url: str) -> None:
    """A database at the newest revision is left alone."""
    first = migrate.upgrade(url)

    again = migrate.upgrade(url)

    assert (first, again) == (True, False)
    assert migrate.present(url) == migrate.head()


def test_down_and_up(url: str) -> None:
    """All revisions can be taken back and done again."""
    migrate.upgrade(url)
    command.downgrade(migrate.configuration(url), "base")
    emptied = tables(url)

    migrate.upgrade(url)

    assert emptied == {"alembic_version"}
    assert migrate.present(url) == migrate.head()


def test_one_line_of_revisions() -> None:
    """The revisions are one line without branches."""
    script = ScriptDirectory.from_config(migrate.configuration("sqlite://"))

    assert len(script.get_heads()) == len(script.get_bases()) == 1


def test_alembic_is_the_library(repository: Path) -> None:
    """The folder of our migrations does not hide the library of the same name."""
    assert alembic.__file__ is not None
    assert repository / "alembic" not in Path(alembic.__file__).parents
    assert not (repository / "alembic" / "__init__.py").exists()
