"""Column types: the same meaning on every engine."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, MetaData, Table
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateTable

from iotronic_mec.db.base import metadata
from iotronic_mec.db.types import JSONText, name_type
from iotronic_mec.events import table as events
from iotronic_mec.registry import FEATURES

LOADED = (FEATURES, events)
"""The metadata is whole once these are imported."""

TABLE = Table("t", MetaData(), Column("name", name_type(63)), Column("value", JSONText))
NAMES = {
    ("board", "name"),
    ("board_label", "key"),
    ("board_label", "value"),
    ("enabled_webservice", "dns"),
    ("enabled_webservice", "zone"),
    ("fleet", "name"),
    ("holding", "key"),
    ("identity_user", "name"),
    ("plugin", "name"),
    ("project", "name"),
    ("service", "name"),
    ("token", "name"),
    ("webservice", "host"),
    ("webservice", "name"),
}


def columns(dialect: Dialect) -> list[str]:
    """Return the types of the two columns as the engine is told them."""
    text = str(CreateTable(TABLE).compile(dialect=dialect))
    return [line.strip(" \t,") for line in text.splitlines() if line.startswith("\t")]


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()])
def test_plain_engines(dialect: Dialect) -> None:
    """SQLite and PostgreSQL compare letter by letter and know no small texts."""
    assert columns(dialect) == ["name VARCHAR(63)", "value TEXT"]


def test_mariadb() -> None:
    """MariaDB is told to compare letter by letter, and to keep more than 64 KiB."""
    assert columns(mysql.dialect()) == [
        "name VARCHAR(63) COLLATE utf8mb4_bin",
        "value TEXT(16777215)",
    ]


def test_every_name_is_exact() -> None:
    """Every column of a name that people choose compares letter by letter."""
    exact = {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.columns
        if "utf8mb4_bin" in column.type.compile(dialect=mysql.dialect())
    }

    assert exact == NAMES


def test_every_json_is_long() -> None:
    """No column of JSON ends at MariaDB's 64 KiB."""
    short = {
        str(column)
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, JSONText)
        and column.type.compile(dialect=mysql.dialect()) == "TEXT"
    }

    assert short == set()
