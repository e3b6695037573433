"""Every query on sealed segments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from iotronic_mec.audit_chain import GENESIS, Head
from iotronic_mec.audit_segment import Segment
from iotronic_mec.features.audit_segment.model import SealedSegment, SegmentNotFound
from iotronic_mec.features.audit_segment.table import audit_segment


def sealed_head(connection: Connection) -> Head:
    """Return the last row that is sealed; sequence 0 when none is."""
    row = connection.execute(
        select(audit_segment.c.last, audit_segment.c.hash)
        .order_by(audit_segment.c.last.desc())
        .limit(1)
    ).first()
    return Head(sequence=0, hash=GENESIS) if row is None else Head(sequence=row[0], hash=row[1])


def add(connection: Connection, sealed: SealedSegment) -> None:
    """Write a segment; the database refuses one that was sealed already."""
    segment = sealed.segment
    connection.execute(
        insert(audit_segment).values(
            uuid=sealed.uuid,
            first=segment.first,
            last=segment.last,
            previous=segment.previous,
            hash=segment.hash,
            digest=segment.digest,
            size=segment.size,
            first_at=sealed.first_at,
            last_at=sealed.last_at,
            created_at=sealed.created_at,
        )
    )


def get(connection: Connection, uuid: str) -> SealedSegment:
    """Return a segment.

    :raises SegmentNotFound: there is none
    """
    row = connection.execute(select(audit_segment).where(audit_segment.c.uuid == uuid)).first()
    if row is None:
        raise SegmentNotFound(f"there is no segment {uuid} of the audit")
    return _sealed(row)


def find_with(connection: Connection, sequence: int) -> SealedSegment | None:
    """Return the segment that holds a row, ``None`` when none does."""
    row = connection.execute(
        select(audit_segment)
        .where(audit_segment.c.last >= sequence)
        .order_by(audit_segment.c.last)
        .limit(1)
    ).first()
    return None if row is None or row.first > sequence else _sealed(row)


def list_segments(
    connection: Connection, *, limit: int, after: int = 0, descending: bool = False
) -> list[SealedSegment]:
    """Return up to ``limit + 1`` segments in the order of the chain.

    :param after: sequence of the last row of the last segment of the page before,
        0 for the first page
    """
    last = audit_segment.c.last
    query = select(audit_segment).order_by(last.desc() if descending else last).limit(limit + 1)
    if after:
        query = query.where(last < after if descending else last > after)
    return [_sealed(row) for row in connection.execute(query)]


def iter_segments(
    connection: Connection, *, after: int | None = 0, batch: int = 1000
) -> Iterator[SealedSegment]:
    """Yield segments in the order of the chain.

    :param after: sequence; only segments that end after it
    """
    while after is not None:
        page = list_segments(connection, limit=batch - 1, after=after)
        yield from page
        after = page[-1].segment.last if len(page) == batch else None


def _sealed(row: Row[Any]) -> SealedSegment:
    return SealedSegment(
        uuid=row.uuid,
        segment=Segment(
            first=row.first,
            last=row.last,
            previous=row.previous,
            hash=row.hash,
            digest=row.digest,
            size=row.size,
        ),
        first_at=row.first_at,
        last_at=row.last_at,
        created_at=row.created_at,
    )
