"""Deleting the old rows of tables that only grow; see :mod:`iotronic_mec.pruning`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, select


def delete_old(
    connection: Connection,
    table: Table,
    when: ColumnElement[Any],
    before: datetime,
    limit: int,
    *besides: ColumnElement[bool],
) -> int:
    """Delete rows of a table that only grows, the oldest first; return how many.

    Rows stand in the order of their time, so that no index on it is needed: the first
    young one ends the look. A clock that was set back keeps some rows longer.

    :param when: column with the rows' time
    :param besides: what else must be true of a row that goes
    """
    key = table.c.id
    young = select(key).where(when >= before).order_by(key).limit(1)
    first = connection.execute(young).scalar()
    old = select(key).where(when < before, *besides).order_by(key).limit(limit)
    if first is not None:
        old = old.where(key < first)
    keys = [row.id for row in connection.execute(old)]
    if keys:
        connection.execute(delete(table).where(key.in_(keys)))
    return len(keys)
