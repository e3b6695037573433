"""Pages of lists: arguments, order, and that no row is lost or doubled."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Connection, MetaData, String, Table, create_engine, insert, select

from iotronic_mec.api import paging
from iotronic_mec.api.controller import Call
from iotronic_mec.api.paging import PageQuery
from iotronic_mec.db import keyset
from iotronic_mec.db.base import key_column
from iotronic_mec.db.types import UTCDateTime
from iotronic_mec.errors import BadRequest
from iotronic_mec.feature import Route, Settings
from iotronic_mec.ids import new_uuid
from iotronic_mec.page import Page

THINGS = Table(
    "thing",
    MetaData(),
    key_column(),
    Column("uuid", String(36)),
    Column("name", String(20), nullable=True),
    Column("kind", String(5)),
    Column("created_at", UTCDateTime),
)
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def connection() -> Iterator[Connection]:
    """Give a database with the table of things."""
    engine = create_engine("sqlite://")
    THINGS.metadata.create_all(engine)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def fill(connection: Connection, rows: list[tuple[str | None, int]]) -> None:
    """Write things with these names, made at these seconds."""
    for name, second in rows:
        connection.execute(
            insert(THINGS).values(
                uuid=new_uuid(), name=name, kind="a", created_at=START + timedelta(seconds=second)
            )
        )


def call(text: str = "", **limits: Any) -> Call:
    """Return a call with this query."""
    query = PageQuery.model_validate(dict(parse_qsl(text, keep_blank_values=True)))
    route = Route(method="GET", path="/", handler=print, policy="p", summary="s")
    return Call(
        context=cast(Any, None),
        route=route,
        settings=Settings(
            state_dir=Path(tempfile.gettempdir()),
            public_url="",
            content_url="",
            wamp_url="",
            **limits,
        ),
        conductor=cast(Any, None),
        database=cast(Any, None),
        storage=cast(Any, None),
        rights=cast(Any, None),
        clock=cast(Any, None),
        query=query,
        base_url="http://c:1288",
        request_path="/v1/things/detail",
        arguments=parse_qsl(text),
    )


def walk(connection: Connection, page: Page) -> list[str]:
    """Return the uuids of all pages, following markers."""
    found: list[str] = []
    while True:
        rows = keyset.fetch(connection, select(THINGS), THINGS, page)
        found += [row.uuid for row in rows[: page.limit]]
        if len(rows) <= page.limit:
            return found
        page = replace(page, marker=found[-1])


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.tuples(st.none() | st.sampled_from("abc"), st.integers(0, 3)), max_size=12),
    limit=st.integers(1, 5),
    key=st.sampled_from(["id", "created_at", "name", "kind"]),
    descending=st.booleans(),
)
def test_pages_are_the_list(
    rows: list[tuple[str | None, int]], limit: int, key: str, descending: bool
) -> None:
    """The pages one after another are the whole list in its order, ties and nulls included."""
    engine = create_engine("sqlite://")
    THINGS.metadata.create_all(engine)
    with engine.connect() as connection:
        fill(connection, rows)
        page = Page(limit=limit, sort_key=key, descending=descending)

        whole = walk(connection, replace(page, limit=100))

        assert walk(connection, page) == whole
        assert len(set(whole)) == len(rows)
    engine.dispose()


def test_order_of_nulls(connection: Connection) -> None:
    """Null comes last in both directions."""
    fill(connection, [(None, 0), ("a", 1), ("b", 2)])

    names = [
        [row.name for row in keyset.fetch(connection, select(THINGS), THINGS, page)]
        for page in (
            Page(limit=9, sort_key="name"),
            Page(limit=9, sort_key="name", descending=True),
        )
    ]

    assert names == [["a", "b", None], ["b", "a", None]]


def test_marker_outside_the_scope(connection: Connection) -> None:
    """A marker that the caller may not see is unknown."""
    fill(connection, [("a", 0)])
    uuid = connection.execute(select(THINGS.c.uuid)).scalar_one()
    scoped = select(THINGS).where(THINGS.c.kind == "other")

    with pytest.raises(keyset.MarkerNotFound):
        keyset.fetch(connection, scoped, THINGS, Page(limit=1, marker=uuid))


def test_marker_need_not_fit_the_filters(connection: Connection) -> None:
    """A row that has changed since the last page still marks its place."""
    fill(connection, [("a", 0), ("b", 1)])
    first = connection.execute(select(THINGS.c.uuid).order_by(THINGS.c.id)).scalars().first()

    rows = keyset.fetch(
        connection, select(THINGS), THINGS, Page(limit=5, marker=first), THINGS.c.name == "b"
    )

    assert [row.name for row in rows] == ["b"]


def test_arguments() -> None:
    """All arguments are read; the limit is capped."""
    read = paging.page(
        call("limit=5000&sort_key=name&sort_dir=desc&fields=Name,uuid,name"),
        sortable={"name"},
        fields=("uuid", "name"),
    )

    assert read == Page(limit=1000, sort_key="name", descending=True, fields=("name", "uuid"))


def test_default_limit_is_the_cap() -> None:
    """Without a limit a page holds as many as are allowed."""
    assert paging.page(call(max_limit=7), sortable=(), fields=()).limit == 7


@pytest.mark.parametrize(
    "text", ["sort_key=extra", "fields=colour", "fields=", "fields=name,,uuid", "marker=nothing"]
)
def test_wrong_arguments(text: str) -> None:
    """Unknown names and markers that are no uuid are refused."""
    with pytest.raises(BadRequest):
        paging.page(call(text), sortable={"name"}, fields=("uuid", "name"))


class Thing:
    """A row."""

    def __init__(self, uuid: str) -> None:
        self.uuid = uuid


def listed(count: int, text: str = "limit=2&status=x&fields=name") -> dict[str, Any]:
    """Return the body of a list of so many rows."""
    asked = call(text.replace("&status=x", ""))
    asked = replace(asked, arguments=parse_qsl(text))
    page = paging.page(asked, sortable=(), fields=("uuid", "name"))
    rows = [Thing(f"u{number}") for number in range(count)]
    return paging.collection(
        asked, "things", rows, page, lambda row: {"uuid": row.uuid, "name": "n"}
    )


def test_next_keeps_path_and_arguments() -> None:
    """The address of the next page is absolute and keeps all but the marker."""
    address = urlsplit(listed(3)["next"])

    assert (address.scheme, address.netloc, address.path) == (
        "http",
        "c:1288",
        "/v1/things/detail",
    )
    assert dict(parse_qsl(address.query)) == {
        "status": "x",
        "fields": "name",
        "limit": "2",
        "marker": "u1",
    }


@pytest.mark.parametrize("count", [0, 1, 2])
def test_no_next_on_the_last_page(count: int) -> None:
    """A page that is full by chance has no next one."""
    assert "next" not in listed(count)


def test_fields_are_picked() -> None:
    """Items hold the fields asked for, in that order."""
    assert listed(1)["things"] == [{"name": "n"}]
