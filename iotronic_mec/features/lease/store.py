"""Every query on leases."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from iotronic_mec.features.lease.model import Lease
from iotronic_mec.features.lease.table import grant_lease

_COLUMNS = ("board", "kind", "subject", "grant", "lent_kind", "lent", "action", "onboot")
_LEASE = select(*(grant_lease.c[name] for name in _COLUMNS))

Thing = tuple[str, str, str]
"""Board, kind and subject."""


def find(connection: Connection, board: str, kind: str, subject: str) -> list[Lease]:
    """Return the leases of a thing; none when it goes on in its own right."""
    query = _LEASE.where(
        grant_lease.c.board == board,
        grant_lease.c.kind == kind,
        grant_lease.c.subject == subject,
    )
    return [Lease(**row._mapping) for row in connection.execute(query)]


def replace(connection: Connection, thing: Thing, leases: Iterable[Lease], now: datetime) -> None:
    """Give a thing these leases in place of those it has."""
    remove(connection, thing)
    rows = {lease.grant: lease for lease in leases}
    for lease in rows.values():
        values = {name: getattr(lease, name) for name in _COLUMNS}
        connection.execute(insert(grant_lease).values(**values, created_at=now))


def remove(connection: Connection, thing: Thing) -> None:
    """Take a thing's leases away."""
    board, kind, subject = thing
    connection.execute(
        delete(grant_lease).where(
            grant_lease.c.board == board,
            grant_lease.c.kind == kind,
            grant_lease.c.subject == subject,
        )
    )


def remove_board(connection: Connection, board: str) -> None:
    """Take the leases of all things on a board away."""
    connection.execute(delete(grant_lease).where(grant_lease.c.board == board))


def own_autostart(connection: Connection, thing: Thing) -> None:
    """Note that a thing's autostart is the board's owner's."""
    board, kind, subject = thing
    connection.execute(
        update(grant_lease)
        .where(
            grant_lease.c.board == board,
            grant_lease.c.kind == kind,
            grant_lease.c.subject == subject,
        )
        .values(onboot=False)
    )


def of_grants(connection: Connection, grants: Collection[str]) -> list[Lease]:
    """Return the leases of some grants."""
    query = _LEASE.where(grant_lease.c.grant.in_(list(grants))).order_by(grant_lease.c.id)
    return [Lease(**row._mapping) for row in connection.execute(query)]


def list_due(connection: Connection, now: datetime, limit: int) -> list[tuple[int, Lease]]:
    """Return the leases that are to be looked at, with their keys, the longest due first."""
    when = grant_lease.c.check_at
    columns = [grant_lease.c.id, *(grant_lease.c[name] for name in _COLUMNS)]
    found: list[tuple[int, Lease]] = []
    # two looks into the index; the engines do not agree on where nulls stand
    for due in (when.is_(None), when <= now):
        query = select(*columns).where(due).order_by(when, grant_lease.c.id)
        found += [
            (row.id, Lease(**{name: getattr(row, name) for name in _COLUMNS}))
            for row in connection.execute(query.limit(limit - len(found)))
        ]
        if len(found) == limit:
            break
    return found


def check_again(connection: Connection, moments: Mapping[int, datetime]) -> None:
    """Note when leases are to be looked at next, by their keys."""
    by_moment: dict[datetime, list[int]] = {}
    for key, moment in moments.items():
        by_moment.setdefault(moment, []).append(key)
    for moment, keys in by_moment.items():
        connection.execute(
            update(grant_lease).where(grant_lease.c.id.in_(keys)).values(check_at=moment)
        )
