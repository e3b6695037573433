"""What a sealed segment is, as the database knows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from iotronic_mec.audit_segment import Segment
from iotronic_mec.clock import iso
from iotronic_mec.errors import Conflict, NotFound, Unavailable

KIND = "audit_segment"
"""Kind of what uses the bytes in the storage; see ``blob``."""

MAX_ROWS = 10_000
"""Most rows of a segment: some megabytes, and a short transaction to delete."""

SEALED = "audit.sealed"
"""Action of the row that says what was sealed, which puts the file's digest into the chain."""


class SegmentNotFound(NotFound):
    """There is no such segment."""

    code = "iot.audit_segment.not_found"


class SegmentBroken(Conflict):
    """Rows to be sealed, or a segment's file, are not whole; nothing was deleted."""

    code = "iot.audit_segment.broken"


class SegmentLate(Unavailable):
    """Sealing took too long, so it is begun anew."""

    code = "iot.audit_segment.late"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSegment:
    """A range of the audit whose rows are in a file of the storage."""

    uuid: str
    segment: Segment
    first_at: datetime
    last_at: datetime
    created_at: datetime

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form."""
        segment = self.segment
        return {
            "uuid": self.uuid,
            "first": segment.first,
            "last": segment.last,
            "previous": segment.previous,
            "hash": segment.hash,
            "digest": segment.digest,
            "size": segment.size,
            "file": segment.name,
            "first_at": iso(self.first_at),
            "last_at": iso(self.last_at),
            "created_at": iso(self.created_at),
        }
