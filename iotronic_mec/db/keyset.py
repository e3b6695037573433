"""Pages of a list by the place of the last row, never by counting rows.

The default order is that of creation, ``(created_at, id)`` as one row value,
which one index serves. Any other column orders with null last on every engine
and the key as tie-break. The public sort key ``id`` means creation order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, String, Table, and_, or_, tuple_

from iotronic_mec.db.server import exact_order
from iotronic_mec.errors import NotFound
from iotronic_mec.page import DEFAULT_SORT, Page

CREATION = frozenset({DEFAULT_SORT, "created_at"})
"""Sort keys that mean the order of creation."""


class MarkerNotFound(NotFound):
    """The marker names nothing in this list."""

    code = "iot.marker.not_found"


def fetch(
    connection: Connection,
    scoped: Select[Any],
    table: Table,
    page: Page,
    *filters: ColumnElement[bool],
) -> Sequence[Row[Any]]:
    """Return the rows of a page, and one more when there are more.

    :param scoped: selects what the caller may see at all; the marker is looked
        up in it
    :param table: with columns ``id``, ``uuid``, ``created_at`` and the sort key
    :param filters: what the caller asks for beside
    :raises MarkerNotFound: no such row within ``scoped``
    """
    statement = scoped.where(*filters) if filters else scoped
    if page.marker is not None:
        statement = statement.where(_after(connection, scoped, table, page))
    statement = statement.order_by(*_order(connection, table, page)).limit(page.limit + 1)
    return connection.execute(statement).all()


def _order(connection: Connection, table: Table, page: Page) -> list[ColumnElement[Any]]:
    key = table.c.id.desc() if page.descending else table.c.id.asc()
    if page.sort_key in CREATION:
        made = table.c.created_at
        return [made.desc() if page.descending else made.asc(), key]
    column = _sorted(connection, table.c[page.sort_key])
    return [column.is_(None), column.desc() if page.descending else column.asc(), key]


def _after(
    connection: Connection, scoped: Select[Any], table: Table, page: Page
) -> ColumnElement[bool]:
    by_creation = page.sort_key in CREATION
    column = table.c.created_at if by_creation else table.c[page.sort_key]
    found = connection.execute(
        scoped.with_only_columns(table.c.id, column.label("place")).where(
            table.c.uuid == page.marker
        )
    ).first()
    if found is None:
        raise MarkerNotFound(f"marker {page.marker} names nothing in this list")
    key, place = table.c.id, found.place
    if by_creation:
        here = tuple_(column, key)
        # the types of the columns, or the moment is bound as text
        there = tuple_(place, found.id, types=[column.type, key.type])
        return here < there if page.descending else here > there
    further = key < found.id if page.descending else key > found.id
    if place is None:
        return and_(column.is_(None), further)
    ordered = _sorted(connection, column)
    beyond = ordered < place if page.descending else ordered > place
    return or_(beyond, and_(column == place, further), column.is_(None))


def _sorted(connection: Connection, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a text column as it sorts alike on every engine, letter by letter."""
    return exact_order(connection, column) if isinstance(column.type, String) else column
