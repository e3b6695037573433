"""Pages of a list by the place of the last row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select

from iotronic_mec.db import keyset
from iotronic_mec.db.engine import open_database
from iotronic_mec.db.keyset import MarkerNotFound
from iotronic_mec.db.session import Database
from iotronic_mec.db.types import UTCDateTime
from iotronic_mec.page import Page
from tests.fakes import engines

TABLE = Table(
    "thing",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("uuid", String(36)),
    Column("owner", String(9)),
    Column("size", Integer, nullable=True),
    Column("created_at", UTCDateTime),
    Column("name", String(40), nullable=True),
    mysql_collate="utf8mb4_bin",
)
START = datetime(2026, 1, 1, tzinfo=UTC)
# several made in one moment; sizes with repetitions and nulls
# names in the order of their letters' numbers, not of any language
NAMES = ["b", "B", None, "é", "_", "\U0001f600", "a-b"]
ROWS = [
    {
        "uuid": str(number),
        "owner": "ab"[number % 2],
        "size": size,
        "created_at": START + timedelta(seconds=number // 3),
        "name": NAMES[number],
    }
    for number, size in enumerate([5, None, 5, 1, None, 9, 1])
]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Return a database with the rows."""
    with engines.POOL.url(tmp_path, also=TABLE.metadata) as url:
        made = open_database(url)
        made.write(lambda connection: connection.execute(insert(TABLE), ROWS))
        yield made
        made.close()


def walk(database: Database, sort_key: str, descending: bool, limit: int) -> list[str]:
    """Return the uuids of all pages, one after another."""
    seen: list[str] = []
    marker: str | None = None
    while True:
        page = Page(limit=limit, marker=marker, sort_key=sort_key, descending=descending)
        with database.read() as connection:
            rows = keyset.fetch(connection, select(TABLE), TABLE, page)
        seen += [row.uuid for row in rows[:limit]]
        if len(rows) <= limit:
            return seen
        marker = seen[-1]
        assert len(seen) <= len(ROWS)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(
    ("sort_key", "descending", "order"),
    [
        ("id", False, "0123456"),
        ("id", True, "6543210"),
        ("created_at", True, "6543210"),
        ("size", False, "3602514"),
        ("size", True, "5206341"),
        ("name", False, "1460352"),
        ("name", True, "5306412"),
    ],
)
def test_pages_hold_every_row_once(
    database: Database, sort_key: str, descending: bool, order: str, limit: int
) -> None:
    """Whatever the order and the size of a page, all rows come, in order, once."""
    assert walk(database, sort_key, descending, limit) == list(order)


def test_unknown_marker_is_an_error(database: Database) -> None:
    """A marker that names nothing in the list is not the beginning."""
    page = Page(limit=2, marker="none")

    with database.read() as connection, pytest.raises(MarkerNotFound):
        keyset.fetch(connection, select(TABLE), TABLE, page)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("filters", [{}, {"size": 5}, {"size": 1, "owner": "a"}, {"owner": "a"}])
def test_prepared_pages_are_the_same(
    database: Database, limit: int, descending: bool, filters: dict[str, Any]
) -> None:
    """Pages by compiled statements hold what pages by built ones hold, typed alike."""
    pages = keyset.Pages(TABLE, scope="owner")
    columns = ("uuid", "size", "created_at")
    scoped = select(TABLE.c.id, *(TABLE.c[name] for name in columns))
    if "owner" in filters:
        scoped = scoped.where(TABLE.c.owner == filters["owner"])
    size = [TABLE.c.size == filters["size"]] if "size" in filters else []
    marker: str | None = None
    while True:
        page = Page(limit=limit, marker=marker, descending=descending)
        with database.read() as connection:
            built = keyset.fetch(connection, scoped, TABLE, page, *size)
            compiled = pages.rows(connection, page, columns, filters)
        assert [tuple(row) for row in compiled] == [tuple(row) for row in built]
        if len(built) <= limit:
            return
        marker = built[limit - 1].uuid


def test_prepared_pages_keep_the_scope(database: Database) -> None:
    """A marker of another's list is unknown, and one that is nobody's as well."""
    pages = keyset.Pages(TABLE, scope="owner")

    with database.read() as connection:
        everyone = pages.rows(connection, Page(limit=9, marker="1"), ("uuid",), {})
        for marker, filters in (("1", {"owner": "a"}), ("none", {"owner": "a"}), ("none", {})):
            with pytest.raises(MarkerNotFound):
                pages.rows(connection, Page(limit=9, marker=marker), ("uuid",), filters)

    assert [row[1] for row in everyone] == list("23456")
