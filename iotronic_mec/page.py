"""Which part of a list is wanted; made by the API, read by the stores."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_SORT = "id"
"""The sort key of upstream's clients: the order in which things were made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a list.

    :param limit: most items, >= 1; stores fetch one more to see whether a
        further page exists
    :param marker: uuid of the last item of the page before, ``None`` for the
        first page
    :param sort_key: name of a column, :data:`DEFAULT_SORT` for creation order
    :param fields: names wanted in each item, ``None`` for the default ones
    """

    limit: int
    marker: str | None = None
    sort_key: str = DEFAULT_SORT
    descending: bool = False
    fields: tuple[str, ...] | None = None
