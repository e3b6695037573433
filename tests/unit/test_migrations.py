"""Migrations: from nothing to the models and back, and whose ``alembic`` is whose."""

from __future__ import annotations

import ast
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


CONTRACTS = frozenset(
    {"drop_table", "drop_column", "drop_constraint", "rename_table", "drop_table_comment"}
)
"""What takes something away from the processes of the release before."""


def contractions(source: str) -> list[str]:
    """Return what in the ``upgrade`` of a revision the release before could not live with."""
    (upgrade,) = [
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name == "upgrade"
    ]
    found = []
    for call in ast.walk(upgrade):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        name, given = call.func.attr, {each.arg: each.value for each in call.keywords}
        narrows = name == "alter_column" and {"new_column_name", "nullable", "type_"} & set(given)
        if name in CONTRACTS or narrows:
            found.append(f"line {call.lineno}: {name}")
        if name == "add_column" and not may_be_left_out(call):
            found.append(f"line {call.lineno}: a column without null or default")
    return found


def may_be_left_out(call: ast.Call) -> bool:
    """Say whether an old process may insert rows without the column that is added."""
    columns = [
        node
        for node in ast.walk(call)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if node.func.attr == "Column"
    ]
    given = {each.arg: each.value for column in columns for each in column.keywords}
    nullable = given.get("nullable")
    is_null = isinstance(nullable, ast.Constant) and nullable.value is True
    return is_null or "nullable" not in given or "server_default" in given


def test_revisions_only_expand() -> None:
    """Processes of the release before run on each new revision while they are replaced."""
    folder = migrate.folder() / "versions"
    sources = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("0*.py")}

    found = {name: contractions(source) for name, source in sources.items()}

    assert len(found) > 3
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "planted",
    [
        "op.drop_table('board')",
        "op.rename_table('board', 'node')",
        "batch_op.drop_column('name')",
        "batch_op.alter_column('name', new_column_name='title')",
        "batch_op.alter_column('name', nullable=False)",
        "batch_op.add_column(sa.Column('must', sa.Integer(), nullable=False))",
    ],
)
def test_a_planted_contraction_is_found(planted: str) -> None:
    """Each way of taking something away is found."""
    assert len(contractions(f"def upgrade():\n    {planted}\n")) == 1


@pytest.mark.parametrize(
    "expanding",
    [
        "batch_op.add_column(sa.Column('may', sa.Integer(), nullable=True))",
        "batch_op.add_column(sa.Column('n', sa.Integer(), nullable=False, server_default='0'))",
        "op.create_table('more')",
    ],
)
def test_expanding_is_allowed(expanding: str) -> None:
    """What only adds is no finding."""
    assert contractions(f"def upgrade():\n    {expanding}\n") == []


def test_a_newer_database_is_left_alone(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of an older release starts on a newer schema, which has all it knows."""
    migrate.upgrade(url)
    monkeypatch.setattr(migrate, "revisions", lambda: frozenset({"0001"}))
    monkeypatch.setattr(migrate, "head", lambda: "0001")

    changed = migrate.upgrade(url)

    assert changed is False
