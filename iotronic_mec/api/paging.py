"""Lists in pages: ``limit``, ``marker``, ``sort_key``, ``sort_dir``, ``fields``.

A feature's query model derives from :class:`PageQuery` and adds its filters;
its routes come from :mod:`iotronic_mec.api.listing`, which reads the page and
shows it by what is here.

The store fetches through :func:`iotronic_mec.db.keyset.fetch`, which returns
one row more than the page holds when there are more.
Source: spec/iotronic-api.md section 1, collections.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from pydantic import Field

from iotronic_mec.api.fields import Limit, Query, SortDirection
from iotronic_mec.errors import BadRequest
from iotronic_mec.ids import is_uuid, normal_uuid
from iotronic_mec.page import DEFAULT_SORT, Page

if TYPE_CHECKING:
    from iotronic_mec.api.controller import Call

__all__ = ["Page", "PageQuery", "collection", "page", "pick"]


class PageQuery(Query):
    """The arguments every list takes."""

    limit: Limit | None = Field(
        None, description="most items in the answer; capped by the server's maximum"
    )
    marker: str | None = Field(
        None,
        description="uuid of the last item of the page before",
        max_length=64,
        json_schema_extra={"format": "uuid"},
    )
    sort_key: str | None = Field(None, description="field to sort by", max_length=64)
    sort_dir: SortDirection = Field("asc", description="direction of the sort")
    fields: str | None = Field(None, description="comma-separated names of fields to show")


def page(call: Call, *, sortable: Collection[str], fields: Collection[str]) -> Page:
    """Read the page a call asks for.

    :param sortable: columns that may be sorted by
    :param fields: names that may be asked for
    :raises BadRequest: names the argument and the rule
    """
    query: PageQuery = call.query
    most = call.settings.max_limit
    key = query.sort_key or DEFAULT_SORT
    if key != DEFAULT_SORT and key not in sortable:
        raise BadRequest(
            f"sort_key: cannot sort by {key!r}; one of {', '.join(sorted(sortable))} is expected",
            details={"field": "sort_key"},
        )
    return Page(
        limit=min(query.limit or most, most),
        marker=_marker(query.marker),
        sort_key=key,
        descending=query.sort_dir == "desc",
        fields=wanted(query.fields, fields),
    )


def wanted(text: str | None, known: Collection[str]) -> tuple[str, ...] | None:
    """Read a comma-separated list of field names; case does not matter.

    Names that differ in case only, as ``MAC_add`` and ``mac_add``, are all meant.

    :raises BadRequest: when a name is not known
    """
    if text is None:
        return None
    names: dict[str, list[str]] = {}
    for name in known:
        names.setdefault(name.lower(), []).append(name)
    asked = dict.fromkeys(word.strip().lower() for word in text.split(","))
    unknown = [word for word in asked if word not in names]
    if unknown:
        raise BadRequest(
            f"fields: unknown {', '.join(unknown)[:200]!r}", details={"field": "fields"}
        )
    return tuple(name for word in asked for name in names[word])


def pick(item: Mapping[str, Any], fields: Collection[str] | None) -> dict[str, Any]:
    """Return the item with only the fields asked for; ``None`` leaves all."""
    if fields is None:
        return dict(item)
    return {name: item[name] for name in fields if name in item}


def collection(
    call: Call,
    plural: str,
    rows: Sequence[Any],
    page: Page,
    present: Callable[[Any], dict[str, Any]],
    marker: Callable[[Any], str] = lambda row: str(row.uuid),
) -> dict[str, Any]:
    """Return the body of a list; ``next`` only when there really is more.

    :param rows: up to ``page.limit + 1`` of them, as the store gave them
    :param present: makes the JSON item of one row, with all of its fields that
        may be shown; ``page.fields`` are picked from it here
    :param marker: what names a row in ``marker``
    """
    shown = rows[: page.limit]
    fields = page.fields
    if fields is None:
        items = [present(row) for row in shown]
    else:
        items = [pick(present(row), fields) for row in shown]
    body: dict[str, Any] = {plural: items}
    if len(rows) > page.limit:
        body["next"] = _next(call, page, marker(shown[-1]))
    return body


def _next(call: Call, page: Page, marker: str) -> str:
    """Return the address of the next page: same path, all arguments kept."""
    kept = [pair for pair in call.arguments if pair[0] not in ("marker", "limit")]
    kept += [("limit", str(page.limit)), ("marker", marker)]
    return f"{call.base_url}{call.request_path}?{urlencode(kept)}"


def _marker(marker: str | None) -> str | None:
    if marker is None:
        return None
    if not is_uuid(marker):
        raise BadRequest("marker: a uuid is expected", details={"field": "marker"})
    return normal_uuid(marker)
