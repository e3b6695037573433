"""Sealing: old rows of the audit go into files, and only then out of the table.

The steps, each of which may be the last one before a crash:

1. the old rows are read and their chain is checked;
2. their file is stored, which is durable then, and read again and checked;
3. one transaction writes the segment, what holds its bytes, and a row of the audit that
   names them;
4. the file is checked once more, and one transaction deletes the rows.

After 2 there is a file nothing holds, which is collected like any other; after 3 the rows
are twice there, and the next run goes on with 4. Nothing is ever in neither place. Of
several conductors the one that leads seals; the unique sequences of the table refuse
a second one, should there be two for a moment.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from iotronic_mec import audit_segment
from iotronic_mec.audit_chain import Finding, Head, verify
from iotronic_mec.audit_segment import Segment
from iotronic_mec.context import Context, system_context
from iotronic_mec.drivers.storage.base import BytesNotFound
from iotronic_mec.feature import Parts
from iotronic_mec.features.audit import store as audit_store
from iotronic_mec.features.audit.model import AuditRow
from iotronic_mec.features.audit_segment import store
from iotronic_mec.features.audit_segment.model import (
    KIND,
    MAX_ROWS,
    SEALED,
    SealedSegment,
    SegmentBroken,
    SegmentLate,
)
from iotronic_mec.features.audit_segment.reports import Witnesses
from iotronic_mec.features.blob import store as blob_store
from iotronic_mec.ids import new_uuid

if TYPE_CHECKING:
    from typing import IO

    from sqlalchemy import Connection

LOG = logging.getLogger(__name__)

GATHER = timedelta(days=1)
"""How much longer rows wait for others, so that a quiet cloud makes a file a day at most."""

MAX_SEGMENTS = 4
"""Most segments sealed in one run, three seconds: other periodic work waits meanwhile."""

MAX_FILE_BYTES = 1 << 31
"""Largest file; ten thousand of the largest rows are smaller."""

FRESH_S = 900.0
"""How long after its file was begun a segment may still be written, seconds: the file is
collected after an hour when nothing holds it."""


class AuditSegmentCommands:
    """Sealing and what it left half done.

    :param parts: what commands are built from
    :param made: the commands of earlier features; none is needed
    """

    namespace = "audit_segment"

    def __init__(self, parts: Parts, made: Mapping[str, Any]) -> None:
        self._parts = parts
        self._witnesses = Witnesses(parts)

    def hear(self, context: Context, board: str, told: str | None) -> bool:
        """Compare the newest head a board was ever told; see :meth:`Witnesses.hear`."""
        return self._witnesses.hear(context, board, told)

    def run(self) -> int:
        """Finish what was begun and seal what is old; return how many segments were made.

        :raises SegmentBroken: rows or a file are not whole; nothing was deleted
        :raises Error: the storage or the database failed; the next run goes on
        """
        self.prune()
        days = self._parts.settings.audit_retention_days
        if days == 0:
            return 0
        before = self._parts.clock.now() - timedelta(days=days)
        made = 0
        while made < MAX_SEGMENTS and self.seal(before):
            self.prune()
            made += 1
        return made

    def prune(self) -> int:
        """Delete rows that are in sealed segments; return how many.

        :raises SegmentBroken: a segment's file is not whole; its rows stay
        """
        count = 0
        while True:
            with self._parts.database.read() as connection:
                oldest = audit_store.first_sequence(connection)
                sealed = None if oldest is None else store.find_with(connection, oldest)
            if sealed is None:
                return count
            segment = sealed.segment
            self._check_file(segment)
            count += self._delete(segment)
            LOG.info("rows %d to %d of the audit are sealed", segment.first, segment.last)

    def _delete(self, segment: Segment) -> int:
        return self._parts.database.write(
            lambda connection: audit_store.delete_range(connection, segment.first, segment.last)
        )

    def seal(self, before: datetime) -> bool:
        """Seal the oldest rows, up to a moment; say whether that was due.

        They are in the table until :meth:`prune` takes them out.

        :raises SegmentBroken: their chain or their file is not whole
        :raises SegmentLate: it took too long, or another conductor was faster
        """
        began_s = self._parts.clock.monotonic()
        with self._parts.database.read() as connection:
            sealed = store.sealed_head(connection)
            newest = audit_store.head(connection).sequence
            rows = audit_store.list_rows(connection, limit=MAX_ROWS - 1, after=sealed.sequence)
        rows = list(takewhile(lambda row: row.time < before and row.sequence < newest, rows))
        if not self._is_due(rows, before):
            return False
        wires = [row.to_wire() for row in rows]
        _check_rows(wires, sealed)
        planned = Segment(
            first=rows[0].sequence,
            last=rows[-1].sequence,
            previous=rows[0].previous,
            hash=rows[-1].hash,
            digest="",
            size=0,
        )
        stored = self._parts.storage.put(audit_segment.write(wires, planned), MAX_FILE_BYTES)
        made = SealedSegment(
            uuid=new_uuid(),
            segment=Segment(
                first=planned.first,
                last=planned.last,
                previous=planned.previous,
                hash=planned.hash,
                digest=stored.digest,
                size=stored.size_bytes,
            ),
            first_at=rows[0].time,
            last_at=rows[-1].time,
            created_at=self._parts.clock.now(),
        )
        self._check_file(made.segment)
        self._parts.database.write(lambda connection: self._add(connection, made, began_s))
        return True

    def _is_due(self, rows: list[AuditRow], before: datetime) -> bool:
        if len(rows) == MAX_ROWS:
            return True
        # rows about sealing alone would be sealed for ever
        waited = bool(rows) and rows[0].time < before - GATHER
        return waited and any(row.action != SEALED for row in rows)

    def _add(self, connection: Connection, made: SealedSegment, began_s: float) -> None:
        segment = made.segment
        sealed = store.sealed_head(connection)
        late = self._parts.clock.monotonic() - began_s > FRESH_S
        if late or sealed.sequence != segment.first - 1 or sealed.hash != segment.previous:
            raise SegmentLate("another conductor sealed meanwhile, or this one was held up")
        store.add(connection, made)
        blob_store.use(
            connection, "", segment.digest, segment.size, KIND, made.uuid, now=made.created_at
        )
        names = ("first", "last", "hash", "digest")
        self._parts.audit(
            connection,
            system_context(),
            SEALED,
            KIND,
            made.uuid,
            details={name: getattr(segment, name) for name in names},
        )

    def _check_file(self, segment: Segment) -> None:
        """Read a file whole and check it.

        :raises SegmentBroken: it is not there or not what was sealed
        """
        findings = check_files(self._parts.storage, [segment])
        if findings:
            LOG.error("%s: nothing is deleted", findings[0].text)
            raise SegmentBroken(findings[0].text)


def check_files(storage: Any, segments: list[Segment]) -> list[Finding]:
    """Check the files of segments that follow one another; return what is wrong."""
    findings: list[Finding] = []
    first = segments[0]
    verdict = verify(
        audit_segment.iter_rows(segments, in_storage(storage), findings),
        after=Head(sequence=first.first - 1, hash=first.previous),
        expected=[segment.head for segment in segments],
    )
    return [*findings, *verdict.findings]


def in_storage(storage: Any) -> audit_segment.Opener:
    """Return what opens segments' files in a storage."""

    def opened(segment: Segment) -> IO[bytes] | None:
        try:
            file: IO[bytes] = storage.open(segment.digest)
        except BytesNotFound:
            return None
        return file

    return opened


def _check_rows(wires: list[dict[str, Any]], sealed: Head) -> None:
    verdict = verify(wires, after=sealed)
    if not verdict.ok:
        text = verdict.findings[0].text
        LOG.error("the audit is not sealed, since its chain is broken: %s", text)
        raise SegmentBroken(f"the audit's chain is broken: {text}")
