"""Writing events into the outbox, inside the transaction of the change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, delete, insert, select, update

from iotronic_mec.clock import Clock
from iotronic_mec.db.prepared import Prepared
from iotronic_mec.db.types import from_micros
from iotronic_mec.errors import TooLarge
from iotronic_mec.events.table import event, event_position

MAX_BODY_BYTES = 16_384
"""Largest body of one event, bytes; larger facts are fetched by who reacts."""

_INSERT = Prepared(insert(event), "project", "topic", "subject", "body", "created_at")


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
        _INSERT.rows(
            connection,
            project=project,
            topic=topic,
            subject=subject,
            body=text.decode(),
            created_at=self._clock.now(),
        )


def list_after(connection: Connection, sequence: int, limit: int) -> list[dict[str, Any]]:
    """Return the events behind a sequence number, in order."""
    rows = connection.execute(
        select(event).where(event.c.id > sequence).order_by(event.c.id).limit(limit)
    )
    return [
        {
            "sequence": row.id,
            "project": row.project,
            "topic": row.topic,
            "subject": row.subject,
            "body": orjson.loads(row.body),
            "time": row.created_at.isoformat(),
        }
        for row in rows
    ]


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
    """Delete events older than a moment; return how many."""
    old = (
        select(event.c.id)
        .where(event.c.created_at < from_micros(before_micros))
        .order_by(event.c.id)
        .limit(limit)
    )
    ids = [row.id for row in connection.execute(old)]
    if ids:
        connection.execute(delete(event).where(event.c.id.in_(ids)))
    return len(ids)
