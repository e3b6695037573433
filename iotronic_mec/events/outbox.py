"""Writing events into the outbox, inside the transaction of the change."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import (
    Connection,
    Integer,
    bindparam,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    update,
)

from iotronic_mec.clock import Clock
from iotronic_mec.db.prepared import Prepared
from iotronic_mec.db.types import from_micros
from iotronic_mec.errors import TooLarge
from iotronic_mec.events.table import event, event_position

MAX_BODY_BYTES = 16_384
"""Largest body of one event, bytes; larger facts are fetched by who reacts."""

_INSERT = Prepared(insert(event), "project", "topic", "subject", "body", "created_at")
_LAST = Prepared(select(func.max(event.c.id)))


class Outbox:
    """Appends events; made once.

    :param clock: gives the time written
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(
        self,
        connection: Connection,
        project: str,
        topic: str,
        subject: str,
        body: Mapping[str, Any],
    ) -> None:
        """Append one event; it is durable with the caller's transaction.

        :raises TooLarge: when the body is over :data:`MAX_BODY_BYTES`
        """
        text = orjson.dumps(dict(body))
        if len(text) > MAX_BODY_BYTES:
            raise TooLarge(f"event {topic}: {len(text)} bytes are over {MAX_BODY_BYTES}")
        _INSERT.send(
            connection,
            project=project,
            topic=topic,
            subject=subject,
            body=text.decode(),
            created_at=self._clock.now(),
        )


def last(connection: Connection) -> int:
    """Return the sequence number of the newest event, 0 when there is none."""
    ((sequence,),) = _LAST.rows(connection)
    return int(sequence or 0)


def list_after(
    connection: Connection, sequence: int, limit: int, topics: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """Return the events behind a sequence number, in order.

    :param topics: the topics wanted, ``None`` for all
    """
    query = _after(None if topics is None else tuple(sorted(topics)))
    return [
        {
            "sequence": number,
            "project": project,
            "topic": topic,
            "subject": subject,
            "body": orjson.loads(body),
            "time": created_at.isoformat(),
        }
        for number, project, topic, subject, body, created_at in query.typed_rows(
            connection, sequence=sequence, most=limit
        )
    ]


@lru_cache(maxsize=64)
def _after(topics: tuple[str, ...] | None) -> Prepared:
    """Return the query of one set of topics; each consumer asks with its own, again and again."""
    wanted = select(
        event.c.id,
        event.c.project,
        event.c.topic,
        event.c.subject,
        event.c.body,
        event.c.created_at,
    ).where(event.c.id > bindparam("sequence"))
    if topics is not None:
        wanted = wanted.where(or_(false(), *(event.c.topic == topic for topic in topics)))
    return Prepared(wanted.order_by(event.c.id).limit(bindparam("most", type_=Integer)))


def position(connection: Connection, consumer: str) -> int:
    """Return how far a consumer has got; 0 for one that is new."""
    found = connection.execute(
        select(event_position.c.sequence).where(event_position.c.consumer == consumer)
    ).scalar()
    return int(found or 0)


def save_position(connection: Connection, consumer: str, sequence: int) -> None:
    """Remember how far a consumer has got."""
    changed = connection.execute(
        update(event_position)
        .where(event_position.c.consumer == consumer)
        .values(sequence=sequence)
    )
    if changed.rowcount == 0:
        connection.execute(insert(event_position).values(consumer=consumer, sequence=sequence))


def prune(connection: Connection, before_micros: int, limit: int) -> int:
    """Delete events older than a moment, the oldest first; return how many.

    :param limit: so many are looked at
    """
    before = from_micros(before_micros)
    oldest = select(event.c.id, event.c.created_at).order_by(event.c.id).limit(limit)
    ids = [row.id for row in connection.execute(oldest) if row.created_at < before]
    if ids:
        connection.execute(delete(event).where(event.c.id.in_(ids)))
    return len(ids)
