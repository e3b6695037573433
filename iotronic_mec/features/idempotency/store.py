"""Every query on idempotency keys."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from iotronic_mec.db import leader
from iotronic_mec.features.idempotency.model import Record
from iotronic_mec.features.idempotency.table import idempotency


def find_record(connection: Connection, mark: str) -> Record | None:
    """Return what is known under a mark."""
    row = connection.execute(select(idempotency).where(idempotency.c.mark == mark)).first()
    if row is None:
        return None
    return Record(
        mark=row.mark,
        digest=row.digest,
        salt=row.salt,
        boot=row.boot,
        began_at=row.began_at,
        answer=row.answer,
    )


def lives(connection: Connection, boot: str) -> bool:
    """Whether another conductor, in which a request began, still lives."""
    return bool(boot) and leader.lives(connection, boot)


def insert_record(connection: Connection, record: Record) -> None:
    """Write a record that begins."""
    connection.execute(
        insert(idempotency).values(
            mark=record.mark,
            digest=record.digest,
            salt=record.salt,
            boot=record.boot,
            began_at=record.began_at,
        )
    )


def take_over(connection: Connection, mark: str, boot: str, now: datetime) -> None:
    """Begin a record again."""
    connection.execute(
        update(idempotency).where(idempotency.c.mark == mark).values(boot=boot, began_at=now)
    )


def set_answer(connection: Connection, mark: str, answer: bytes) -> None:
    """Keep the answer."""
    connection.execute(update(idempotency).where(idempotency.c.mark == mark).values(answer=answer))


def reopen(connection: Connection, mark: str) -> None:
    """Let a repetition run a record that has no answer."""
    connection.execute(
        update(idempotency)
        .where(idempotency.c.mark == mark, idempotency.c.answer.is_(None))
        .values(boot="")
    )


def delete_record(connection: Connection, mark: str) -> None:
    """Forget a record."""
    connection.execute(delete(idempotency).where(idempotency.c.mark == mark))


def delete_before(connection: Connection, moment: datetime) -> int:
    """Forget what began before a moment; return how many."""
    gone = connection.execute(delete(idempotency).where(idempotency.c.began_at < moment))
    return gone.rowcount
