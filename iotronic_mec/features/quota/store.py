"""Every query on quotas."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from iotronic_mec.db.prepared import Prepared
from iotronic_mec.features.quota.table import quota

_MOST = Prepared(
    select(quota.c.most).where(
        quota.c.project == bindparam("project"), quota.c.resource == bindparam("resource")
    )
)


def find_most(connection: Connection, project: str, resource: str) -> int | None:
    """Return a project's own limit, ``None`` where it has the default."""
    rows = _MOST.rows(connection, project=project, resource=resource)
    return int(rows[0][0]) if rows else None


def list_own(connection: Connection, project: str) -> dict[str, int]:
    """Return the limits a project has of its own, by resource."""
    query = select(quota.c.resource, quota.c.most).where(quota.c.project == project)
    return {row.resource: int(row.most) for row in connection.execute(query)}


def put(connection: Connection, project: str, resource: str, most: int, now: datetime) -> None:
    """Give a project a limit of its own."""
    same = (quota.c.project == project, quota.c.resource == resource)
    changed = connection.execute(update(quota).where(*same).values(most=most, updated_at=now))
    if not changed.rowcount:
        connection.execute(
            insert(quota).values(project=project, resource=resource, most=most, created_at=now)
        )


def reset(connection: Connection, project: str, resource: str | None) -> int:
    """Give a project the default again, of one resource or of all; return how many."""
    query = delete(quota).where(quota.c.project == project)
    if resource is not None:
        query = query.where(quota.c.resource == resource)
    return connection.execute(query).rowcount
