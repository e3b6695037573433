"""How many rows a project has: what quotas are counted by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, bindparam, func, select

from iotronic_mec.db.prepared import Prepared

Count = Callable[[Connection, str], int]


def rows_of(rows: FromClause, project: ColumnElement[Any], *where: ColumnElement[bool]) -> Count:
    """Return a function that counts a project's rows.

    :param rows: a table, or a join
    :param project: the column that says whose a row is
    :param where: which of the rows count
    """
    query = select(func.count()).select_from(rows)
    prepared = Prepared(query.where(project == bindparam("project"), *where))

    def count(connection: Connection, project: str) -> int:
        return int(prepared.rows(connection, project=project)[0][0])

    return count
