"""Every query on blobs; :func:`use` and :func:`unuse` are for other features.

They run inside the transaction that creates or deletes what uses the blob, so
a blob is never collected while a row points to it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, insert, select, update

from iotronic_mec.features.blob.model import Blob, Reservation, ReservationGone, Usage
from iotronic_mec.features.blob.table import blob, blob_reservation, blob_use


def use(
    connection: Connection,
    project: str,
    digest: str,
    size: int,
    kind: str,
    target: str,
    *,
    now: datetime,
    reservation: str | None = None,
) -> None:
    """Say that something uses a blob; repeating it changes nothing.

    :param size: bytes of the blob
    :param kind: noun of what uses it, ``"plugin"``
    :param target: its uuid
    :param reservation: the upload's reservation, which ends with this
    :raises ReservationGone: it had expired
    """
    if reservation is not None and not release(connection, reservation):
        raise ReservationGone()
    key = _hold(connection, project, digest, size, now)
    same = (
        blob_use.c.blob_id == key,
        blob_use.c.kind == kind,
        blob_use.c.target == target,
    )
    if connection.execute(select(blob_use.c.id).where(*same)).first() is None:
        connection.execute(insert(blob_use).values(blob_id=key, kind=kind, target=target))


def unuse(connection: Connection, project: str, kind: str, target: str, *, now: datetime) -> None:
    """Say that something no longer uses any of the project's blobs."""
    mine = select(blob.c.id).where(blob.c.project == project)
    used = (
        blob_use.c.kind == kind,
        blob_use.c.target == target,
        blob_use.c.blob_id.in_(mine),
    )
    keys = [row.blob_id for row in connection.execute(select(blob_use.c.blob_id).where(*used))]
    if not keys:
        return
    connection.execute(delete(blob_use).where(*used))
    connection.execute(
        update(blob)
        .where(blob.c.id.in_(keys), ~exists().where(blob_use.c.blob_id == blob.c.id))
        .values(unused_at=now, updated_at=now)
    )


def find_blob(connection: Connection, project: str, digest: str) -> Blob | None:
    """Return a blob as the project holds it, or ``None``."""
    row = connection.execute(
        select(blob).where(blob.c.digest == digest, blob.c.project == project)
    ).first()
    return None if row is None else _blob(row)


def list_held(connection: Connection, digests: list[str]) -> set[str]:
    """Return those of the digests that some project holds."""
    rows = connection.execute(select(blob.c.digest).where(blob.c.digest.in_(digests)).distinct())
    return {row.digest for row in rows}


def usage(connection: Connection, project: str) -> Usage:
    """Return what counts against the project's quota."""
    size = func.coalesce(func.sum(blob.c.size), 0)
    stored = connection.execute(select(size).where(blob.c.project == project)).scalar_one()
    unused = connection.execute(
        select(size).where(blob.c.project == project, blob.c.unused_at.is_not(None))
    ).scalar_one()
    reserved = connection.execute(
        select(func.coalesce(func.sum(blob_reservation.c.size), 0)).where(
            blob_reservation.c.project == project
        )
    ).scalar_one()
    return Usage(stored=int(stored), unused=int(unused), reserved=int(reserved))


def count_bytes(connection: Connection, project: str) -> int:
    """Count the bytes a project stores or has reserved."""
    used = usage(connection, project)
    return used.stored + used.reserved


def reserve(connection: Connection, room: Reservation) -> None:
    """Write a reservation; the caller has checked the quota."""
    connection.execute(
        insert(blob_reservation).values(
            uuid=room.uuid, project=room.project, size=room.size, created_at=room.created_at
        )
    )


def release(connection: Connection, reservation: str) -> bool:
    """End a reservation; say whether it was there."""
    ended = connection.execute(
        delete(blob_reservation).where(blob_reservation.c.uuid == reservation)
    )
    return ended.rowcount == 1


def expire_reservations(connection: Connection, before: datetime) -> int:
    """Delete reservations made before a moment; return how many."""
    return connection.execute(
        delete(blob_reservation).where(blob_reservation.c.created_at < before)
    ).rowcount


def drop_unused(
    connection: Connection, before: datetime, limit: int = 500
) -> tuple[list[str], bool]:
    """Delete the rows of blobs unused since before a moment.

    :returns: digests that no project holds any more, and whether there may be
        further rows to delete
    """
    rows = connection.execute(
        select(blob.c.id, blob.c.digest)
        .where(blob.c.unused_at < before, ~exists().where(blob_use.c.blob_id == blob.c.id))
        .order_by(blob.c.id)
        .limit(limit)
    ).all()
    if not rows:
        return [], False
    connection.execute(delete(blob).where(blob.c.id.in_([row.id for row in rows])))
    digests = sorted({row.digest for row in rows})
    held = list_held(connection, digests)
    return [digest for digest in digests if digest not in held], len(rows) == limit


def _hold(connection: Connection, project: str, digest: str, size: int, now: datetime) -> Any:
    row = connection.execute(
        select(blob.c.id, blob.c.unused_at).where(
            blob.c.digest == digest, blob.c.project == project
        )
    ).first()
    if row is None:
        made = connection.execute(
            insert(blob).values(digest=digest, project=project, size=size, created_at=now)
        )
        assert made.inserted_primary_key is not None
        return made.inserted_primary_key[0]
    if row.unused_at is not None:
        connection.execute(
            update(blob).where(blob.c.id == row.id).values(unused_at=None, updated_at=now)
        )
    return row.id


def _blob(row: Row[Any]) -> Blob:
    return Blob(
        digest=row.digest,
        project=row.project,
        size=row.size,
        created_at=row.created_at,
        unused_at=row.unused_at,
    )
