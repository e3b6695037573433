"""The GET routes of a collection: the same paging, sorting and fields for all nouns.

A noun declares what is its own, and gets its routes::

    LISTING = Listing(
        plural="fleets",
        fields=FIELDS,
        default=DEFAULT_FIELDS,
        sortable=SORTABLE,
        rows=_rows,
        present=_present,
    )
    ROUTES = (
        *LISTING.routes(policy="iot:fleet:get", query=FleetQuery, answer=FleetList),
        …
    )

``rows`` decides whose things the caller may see and reads the filters of its
query model; ``present`` makes the JSON of one. Source: spec/iotronic-api.md
section 1, collections.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from iotronic_mec.api import paging
from iotronic_mec.feature import Route
from iotronic_mec.page import Page

if TYPE_CHECKING:
    from pydantic import BaseModel

    from iotronic_mec.api.controller import Call

Rows = Callable[["Call", Any, Page], Sequence[Any]]
"""Called with the call, the reading connection and the page, whose ``fields``
are those that will be shown; returns the rows of the page, and one more when
there are more."""

Present = Callable[["Call", Any, Collection[str]], dict[str, Any]]
"""Called with the call, a row and the names that will be shown; may leave out
others, which are dropped in any case."""

Presenter = Callable[["Call", Collection[str]], Callable[[Any], dict[str, Any]]]
"""Called once for a list, with the call and the names that will be shown;
returns what makes the JSON of a row, with these names and no others."""


def _uuid(row: Any) -> str:
    return str(row.uuid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a collection's routes need to know of its noun.

    :param plural: key of the list in the answer, as ``boards``
    :param fields: all names that may be asked for
    :param sortable: columns that may be sorted by
    :param default: names shown without ``fields``; ``None`` for all
    :param marker: what names a row in ``marker``
    :param presenter: where lists are long, in place of ``present`` for each row
    """

    plural: str
    fields: tuple[str, ...]
    sortable: frozenset[str]
    rows: Rows
    present: Present
    default: tuple[str, ...] | None = None
    marker: Callable[[Any], str] = _uuid
    presenter: Presenter | None = None

    def index(self, call: Call) -> dict[str, Any]:
        """Give a page with the default fields of each item."""
        return self.page(call, self.rows, self.default or self.fields)

    def detail(self, call: Call) -> dict[str, Any]:
        """Give a page with all fields of each item."""
        return self.page(call, self.rows, self.fields)

    def page(self, call: Call, rows: Rows, default: tuple[str, ...]) -> dict[str, Any]:
        """Give a page of rows from elsewhere, for further routes of the noun.

        :param default: names shown when the call does not say which
        :raises BadRequest: names the argument and the rule
        """
        page = paging.page(call, sortable=self.sortable, fields=self.fields)
        shown = page.fields or default
        page = replace(page, fields=shown)
        with call.database.read() as connection:
            found = rows(call, connection, page)
        present = self.present
        if self.presenter is not None:
            made = self.presenter(call, shown)
            whole = replace(page, fields=None)
            return paging.collection(call, self.plural, found, whole, made, self.marker)
        return paging.collection(
            call,
            self.plural,
            found,
            page,
            lambda row: present(call, row, shown),
            self.marker,
        )

    def show(self, call: Call, row: Any) -> dict[str, Any]:
        """Give one thing, with the fields its query asks for or all."""
        shown = paging.wanted(getattr(call.query, "fields", None), self.fields) or self.fields
        return paging.pick(self.present(call, row, shown), shown)

    def whole(self, call: Call, row: Any) -> dict[str, Any]:
        """Give one thing with all fields, as after a change."""
        return paging.pick(self.present(call, row, self.fields), self.fields)

    def routes(
        self,
        *,
        policy: str,
        query: type[BaseModel],
        answer: type[BaseModel],
        path: str | None = None,
        noun: str | None = None,
        with_detail: bool = True,
    ) -> tuple[Route, ...]:
        """Return the route of the collection, and that of its ``/detail``.

        :param path: ``None`` for ``/v1/<plural>``
        :param noun: what is listed, in words; ``None`` for the plural
        """
        path = path or f"/v1/{self.plural}"
        listed = noun or self.plural
        index = Route(
            method="GET",
            path=path,
            handler=self.index,
            policy=policy,
            summary=f"List {listed}",
            query=query,
            answer=answer,
        )
        if not with_detail:
            return (index,)
        detail = replace(
            index,
            path=f"{path}/detail",
            handler=self.detail,
            summary=f"List {listed} with all fields",
        )
        return (index, detail)
