"""The GET routes every collection shares."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from iotronic_mec.api.listing import Listing
from iotronic_mec.api.paging import PageQuery
from iotronic_mec.api.system import Health
from iotronic_mec.errors import BadRequest
from iotronic_mec.page import Page
from tests.unit.api.test_paging import call


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A row."""

    uuid: str
    name: str


class Things:
    """A store of three things that notes which page was read."""

    def __init__(self) -> None:
        self.pages: list[Page] = []
        self.shown: list[Collection[str]] = []

    @contextmanager
    def read(self) -> Iterator[None]:
        """Give no connection."""
        yield None

    def rows(self, _call: Any, _connection: Any, page: Page) -> list[Thing]:
        """Return the page and one more."""
        self.pages.append(page)
        return [Thing(uuid=f"u{n}", name=f"n{n}") for n in range(3)][: page.limit + 1]

    def present(self, _call: Any, row: Thing, fields: Collection[str]) -> dict[str, Any]:
        """Return more than is asked for."""
        self.shown.append(fields)
        return {"uuid": row.uuid, "name": row.name, "links": [], "secret": "s"}


@pytest.fixture
def things() -> Things:
    """Give the store."""
    return Things()


@pytest.fixture
def listing(things: Things) -> Listing:
    """Give the collection's routes."""
    return Listing(
        plural="things",
        fields=("uuid", "name", "links"),
        default=("uuid", "links"),
        sortable=frozenset({"name"}),
        rows=things.rows,
        present=things.present,
    )


def ask(things: Things, text: str = "") -> Any:
    """Return a call of the list."""
    return replace(call(text), database=things)


def test_index_shows_the_default_fields(things: Things, listing: Listing) -> None:
    """Without ``fields`` the short set is shown, and nothing that is not a field."""
    assert listing.index(ask(things))["things"][0] == {"uuid": "u0", "links": []}
    assert things.shown[0] == ("uuid", "links")


def test_detail_shows_all_fields(things: Things, listing: Listing) -> None:
    """``/detail`` shows what may be shown, and nothing else."""
    assert listing.detail(ask(things))["things"][2] == {"uuid": "u2", "name": "n2", "links": []}


def test_fields_win_over_both(things: Things, listing: Listing) -> None:
    """``fields`` chooses on the list and on its detail."""
    asked = ask(things, "fields=Name")

    assert listing.index(asked)["things"][0] == {"name": "n0"}
    assert listing.detail(asked)["things"][0] == {"name": "n0"}


def test_next_follows_a_page_without_uuids(things: Things, listing: Listing) -> None:
    """The marker does not depend on the fields shown; arguments stay in ``next``."""
    body = listing.index(ask(things, "limit=2&fields=name&sort_key=name"))

    assert body["next"] == (
        "http://c:1288/v1/things/detail?fields=name&sort_key=name&limit=2&marker=u1"
    )
    assert "next" not in listing.index(ask(things, "limit=3"))


def test_refuses_unknown_fields_and_sort_keys(things: Things, listing: Listing) -> None:
    """What is no field is refused before anything is read."""
    for text in ("fields=secret", "sort_key=secret"):
        with pytest.raises(BadRequest, match="secret"):
            listing.index(ask(things, text))
    assert things.pages == []


def test_routes(listing: Listing) -> None:
    """The collection has two routes with one rule, or one where there is no detail."""
    given: dict[str, Any] = {"policy": "p", "query": PageQuery, "answer": Health}

    index, detail = listing.routes(**given)
    (alone,) = listing.routes(**given, path="/v1/x", noun="xs", with_detail=False)

    assert (index.path, detail.path) == ("/v1/things", "/v1/things/detail")
    assert (index.policy, detail.policy) == ("p", "p")
    assert (alone.path, alone.summary) == ("/v1/x", "List xs")
