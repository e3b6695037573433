"""Lists, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from iotronic_mec.sdk.errors import UnexpectedAnswer
from iotronic_mec.sdk.transport import Call, Json, Transport

PAGE = 500
"""Items asked for at a time; the cloud gives at most 1,000."""


def iter_items(
    transport: Transport,
    path: str,
    collection: str,
    *,
    query: Mapping[str, Json] | None = None,
    limit: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the items of a collection, following ``next``.

    Only the arguments of ``next`` are used, never its address, so that
    credentials stay with the endpoint.

    :param collection: key of the items in the answer
    :param limit: items at most, >= 1; ``None``: all
    """
    if limit is not None and limit < 1:
        raise ValueError("limit: at least 1")
    return islice(_iter_all(transport, path, collection, dict(query or {}), limit), limit)


def _iter_all(
    transport: Transport, path: str, collection: str, query: dict[str, Json], limit: int | None
) -> Iterator[dict[str, Any]]:
    query["limit"] = PAGE if limit is None else min(limit, PAGE)
    while True:
        page = transport.json(Call(method="GET", path=path, query=query))
        items = page.get(collection) if isinstance(page, dict) else None
        if not isinstance(items, list):
            raise UnexpectedAnswer(f"{path}: a list {collection!r} was expected")
        yield from items
        following = page.get("next")
        if not following or not items:
            return
        arguments = dict(parse_qsl(urlsplit(str(following)).query))
        if arguments.get("marker") == query.get("marker"):
            raise UnexpectedAnswer(f"{path}: the next page is the same page")
        query = {**query, **arguments}
