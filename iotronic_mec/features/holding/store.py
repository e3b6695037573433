"""Every query on holdings, and those on the state of what holds them."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Table, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from iotronic_mec.db.types import UTCDateTime
from iotronic_mec.features.holding.model import (
    CLOSING,
    OPEN,
    OPENING,
    Holding,
    PortsExhausted,
    name_key,
    port_key,
)
from iotronic_mec.features.holding.table import holding

MAX_TRIES = 16
"""How often another public port is tried when somebody else took one meanwhile."""


def insert_holding(connection: Connection, made: Holding) -> None:
    """Write a holding; nobody else may have its key."""
    connection.execute(
        insert(holding).values(
            uuid=made.uuid,
            holder=made.holder,
            kind=made.kind,
            key=made.key,
            project=made.project,
            board=made.board,
            spec=made.spec,
            facts=made.facts,
            state=made.state,
            cause=made.cause,
            attempts=made.attempts,
            retry_at=made.retry_at,
            created_at=made.created_at,
        )
    )


def has_key(connection: Connection, key: str) -> bool:
    """Say whether somebody has a public port or a host name."""
    return connection.execute(select(holding.c.id).where(holding.c.key == key)).first() is not None


def insert_with_port(
    connection: Connection,
    made: Holding,
    ports: tuple[int, int],
    field: str,
    avoid: Collection[int] = (),
) -> int:
    """Write a holding with a free public port, chosen at random; return the port.

    Another conductor may choose the same one at the same moment; the database
    lets one of them have it, and the other chooses again.

    :param ports: first and last that may be chosen
    :param field: where the port stands in the holding's ``spec``
    :param avoid: ports that are not to be chosen
    :raises PortsExhausted: none is free
    """
    first, last = ports
    tried: set[int] = set()
    while len(tried) < MAX_TRIES:
        used = _ports(connection) | tried | set(avoid)
        free = [port for port in range(first, last + 1) if port not in used]
        if not free:
            break
        port = secrets.choice(free)
        chosen = replace(made, key=port_key(port), spec={**made.spec, field: port})
        try:
            with connection.begin_nested():
                insert_holding(connection, chosen)
        except IntegrityError:
            tried.add(port)
            continue
        return port
    raise PortsExhausted(f"no port from {first} to {last} is free")


def find_rival_name(connection: Connection, host: str, project: str) -> Holding | None:
    """Return who keeps a host name from being given to a project, or ``None``.

    Whoever has the same name; or another project that has a name above or below
    it, since pages under ``a.b`` may set cookies for ``b``.
    """
    labels = host.split(".")
    above = [".".join(labels[at:]) for at in range(1, len(labels))]
    row = connection.execute(
        select(holding).where(
            or_(
                holding.c.key == name_key(host),
                (holding.c.project != project)
                & or_(
                    holding.c.key.in_([name_key(each) for each in above]),
                    holding.c.key.like(name_key(f"%.{host}")),
                ),
            )
        )
    ).first()
    return None if row is None else _holding(row)


def list_of(connection: Connection, holder: str) -> list[Holding]:
    """Return what something holds, in the order in which it is opened."""
    rows = connection.execute(
        select(holding).where(holding.c.holder == holder).order_by(holding.c.id)
    )
    return [_holding(row) for row in rows]


def list_closing(
    connection: Connection, now: datetime, *, holder: str | None = None, limit: int = 100
) -> list[Holding]:
    """Return what is to be given back now, last opened first.

    :param holder: only what this one holds, whenever its next try would be
    """
    query = select(holding).where(holding.c.state == CLOSING)
    if holder is not None:
        query = query.where(holding.c.holder == holder)
    else:
        query = query.where(or_(holding.c.retry_at.is_(None), holding.c.retry_at <= now))
    rows = connection.execute(query.order_by(holding.c.id.desc()).limit(limit))
    return [_holding(row) for row in rows]


def move(
    connection: Connection, uuid: str, present: str, state: str, now: datetime, **values: Any
) -> bool:
    """Change a holding's state if it is as expected; say whether it was."""
    changed = connection.execute(
        update(holding)
        .where(holding.c.uuid == uuid, holding.c.state == present)
        .values(state=state, updated_at=now, **values)
    )
    return changed.rowcount == 1


def note_failure(
    connection: Connection, failed: Holding, told: Mapping[str, Any], retry_at: datetime
) -> None:
    """Note that something could not be given back, and when to try again."""
    connection.execute(
        update(holding)
        .where(holding.c.uuid == failed.uuid)
        .values(cause=dict(told), attempts=failed.attempts + 1, retry_at=retry_at)
    )


def close_of(connection: Connection, now: datetime, *, holder: str = "", board: str = "") -> None:
    """Have all that a holder has, or that is held for a board, given back."""
    whose = holding.c.holder == holder if holder else holding.c.board == board
    connection.execute(
        update(holding)
        .where(whose, holding.c.state != CLOSING)
        .values(state=CLOSING, retry_at=now, updated_at=now)
    )


def reopen_of(connection: Connection, holder: str, now: datetime) -> None:
    """Have all that a holder has opened once more."""
    connection.execute(
        update(holding)
        .where(holding.c.holder == holder, holding.c.state == OPEN)
        .values(state=OPENING, updated_at=now)
    )


def settle_of(connection: Connection, holder: str, now: datetime) -> None:
    """Take all that a holder has for open, as it was before."""
    connection.execute(
        update(holding)
        .where(holding.c.holder == holder, holding.c.state == OPENING)
        .values(state=OPEN, updated_at=now)
    )


def delete_holding(connection: Connection, uuid: str) -> None:
    """Forget what has been given back; its port or name is free."""
    connection.execute(delete(holding).where(holding.c.uuid == uuid))


class Rows:
    """The states of one noun's rows.

    :param table: with ``uuid``, the columns of ``holder_columns`` and the times
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def move(
        self,
        connection: Connection,
        uuid: str,
        present: Collection[str],
        state: str,
        now: datetime,
        **values: Any,
    ) -> bool:
        """Change a row's state if it is as expected; say whether it was."""
        columns = self._table.c
        changed = connection.execute(
            update(self._table)
            .where(columns.uuid == uuid, columns.state.in_(list(present)))
            .values(state=state, updated_at=now, **values)
        )
        return changed.rowcount == 1

    def remove(self, connection: Connection, uuid: str) -> bool:
        """Delete a row that is closing and holds nothing more; say whether it was."""
        columns = self._table.c
        held = select(holding.c.id).where(holding.c.holder == uuid)
        gone = connection.execute(
            delete(self._table).where(
                columns.uuid == uuid, columns.state == CLOSING, ~held.exists()
            )
        )
        return gone.rowcount == 1

    def stale(
        self, connection: Connection, now: datetime, grace_s: float
    ) -> list[tuple[str, str]]:
        """Return uuid and state of rows somebody began with and did not finish.

        :param grace_s: how long something may be opening before that is said of it
        """
        columns = self._table.c
        before = now - timedelta(seconds=grace_s)
        since = func.coalesce(columns.updated_at, columns.created_at)
        held = select(holding.c.id).where(holding.c.holder == columns.uuid)
        rows = connection.execute(
            select(columns.uuid, columns.state)
            .where(
                or_(
                    (columns.state == OPENING)
                    & (since <= bindparam("before", before, type_=UTCDateTime)),
                    (columns.state == CLOSING) & ~held.exists(),
                )
            )
            .order_by(columns.id)
            .limit(100)
        )
        return [(row.uuid, row.state) for row in rows]


def _ports(connection: Connection) -> set[int]:
    # no range: most collations of PostgreSQL sort punctuation in another order
    rows = connection.execute(select(holding.c.key).where(holding.c.key.like("port:%")))
    return {int(row.key.removeprefix("port:")) for row in rows}


def _holding(row: Row[Any]) -> Holding:
    return Holding(
        uuid=row.uuid,
        holder=row.holder,
        kind=row.kind,
        key=row.key,
        project=row.project,
        board=row.board,
        spec=row.spec,
        facts=row.facts,
        state=row.state,
        cause=row.cause,
        attempts=row.attempts,
        retry_at=row.retry_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
