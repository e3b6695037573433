"""Appending to the audit, and reading it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, delete, func, insert, select

from iotronic_mec.audit_chain import GENESIS, Head
from iotronic_mec.clock import Clock
from iotronic_mec.context import Context
from iotronic_mec.db.prepared import Prepared
from iotronic_mec.db.session import Database
from iotronic_mec.features.audit.model import AuditRow, without_secrets
from iotronic_mec.features.audit.table import audit

_HEAD = Prepared(select(audit.c.sequence, audit.c.hash).order_by(audit.c.sequence.desc()).limit(1))
_COLUMNS = tuple(column.name for column in audit.columns if column.name != "id")
_APPEND = Prepared(insert(audit).values({name: bindparam(name) for name in _COLUMNS}))


class AuditChain:
    """Appends rows inside the transactions of commands; see ``AuditWriter``.

    There is one writer, so the row with the highest sequence is the head. It is
    remembered from row to row, and read anew after anything was undone; where
    others write too, for every transaction.

    :param database: whose transactions the rows are in; ``None``: the head is
        read each time
    """

    def __init__(self, clock: Clock, database: Database | None = None) -> None:
        self._clock = clock
        self._keeps = database is not None
        self._head: Head | None = None
        if database is not None:
            database.after_undo(self._forget)
            database.ask_first(_HEAD, self._learn)

    def __call__(
        self,
        connection: Connection,
        context: Context,
        action: str,
        target_kind: str,
        target: str,
        *,
        outcome: str = "success",
        reason: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Append one row; it is durable with the caller's transaction."""
        last = self._head or head(connection)
        text = orjson.dumps(
            without_secrets(details or {}), default=str, option=orjson.OPT_NON_STR_KEYS
        )
        row = AuditRow(
            sequence=last.sequence + 1,
            time=self._clock.now(),
            project=context.project[:64],
            user=context.user[:64],
            user_name=context.user_name[:255],
            action=action[:64],
            target_kind=target_kind[:64],
            target=target[:255],
            outcome=outcome[:32],
            reason=reason[:255],
            request_id=context.request_id[:64],
            details=orjson.loads(text),
            previous=last.hash,
        )
        values = {name: getattr(row, name) for name in _COLUMNS}
        values["details"] = text.decode()
        values["hash"] = row.digest()
        _APPEND.send(connection, **values)
        if self._keeps:
            self._head = Head(sequence=row.sequence, hash=values["hash"])

    def _forget(self) -> None:
        self._head = None

    def _learn(self, rows: Sequence[Any] | None) -> None:
        self._head = None if rows is None else _head_of(rows)


def head(connection: Connection) -> Head:
    """Return the end of the chain; sequence 0 and the genesis hash when empty."""
    return _head_of(_HEAD.rows(connection))


def _head_of(rows: Sequence[Any]) -> Head:
    if not rows:
        return Head(sequence=0, hash=GENESIS)
    sequence, digest = rows[0]
    return Head(sequence=int(sequence), hash=str(digest))


def has(connection: Connection, known: Head) -> bool:
    """Say whether the chain still holds the row a head names."""
    found = connection.execute(select(audit.c.hash).where(audit.c.sequence == known.sequence))
    return found.scalar() == known.hash


def first_sequence(connection: Connection) -> int | None:
    """Return the sequence of the oldest row in the table, ``None`` without any.

    Rows before it are in sealed segments.
    """
    found = connection.execute(select(func.min(audit.c.sequence))).scalar()
    return None if found is None else int(found)


def delete_range(connection: Connection, first: int, last: int) -> int:
    """Delete rows that are in a sealed segment; return how many there were.

    For :mod:`iotronic_mec.features.audit_segment` alone.
    """
    sequence = audit.c.sequence
    return connection.execute(delete(audit).where(sequence.between(first, last))).rowcount


def list_rows(
    connection: Connection,
    *,
    limit: int,
    after: int | None = None,
    descending: bool = False,
    filters: Mapping[str, str] | None = None,
) -> list[AuditRow]:
    """Return up to ``limit + 1`` rows in the order of their sequence.

    :param after: sequence of the last row of the page before
    :param filters: column to the value it must have
    """
    sequence = audit.c.sequence
    query = select(audit).order_by(sequence.desc() if descending else sequence).limit(limit + 1)
    for name, value in (filters or {}).items():
        query = query.where(audit.c[name] == value)
    if after is not None:
        query = query.where(sequence < after if descending else sequence > after)
    return _rows(connection.execute(query).all())


def iter_rows(
    connection: Connection, *, after: int | None = 0, batch: int = 1000
) -> Iterator[AuditRow]:
    """Yield all rows in the order of the chain, as a check wants them.

    :param after: sequence of the row before the first one wanted
    :param batch: rows read at once
    """
    while after is not None:
        rows = list_rows(connection, limit=batch - 1, after=after)
        yield from rows
        after = rows[-1].sequence if len(rows) == batch else None


def _rows(rows: Sequence[Any]) -> list[AuditRow]:
    return [
        AuditRow(
            sequence=row.sequence,
            time=row.time,
            project=row.project,
            user=row.user,
            user_name=row.user_name,
            action=row.action,
            target_kind=row.target_kind,
            target=row.target,
            outcome=row.outcome,
            reason=row.reason,
            request_id=row.request_id,
            details=_details(row.details),
            previous=row.previous,
            hash=row.hash,
        )
        for row in rows
    ]


def _details(text: str) -> Mapping[str, Any]:
    """Read a row's details; what somebody has made unreadable is shown, to be found."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = None
    return found if isinstance(found, dict) else {"unreadable": text}
