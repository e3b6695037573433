"""What a blob is: bytes under their digest, held by a project while in use.

Blobs are content-addressed and shared: the same bytes of two projects are one
file and two rows, and each project's quota counts its own row. Room is
reserved before an upload. A blob nothing uses is collected after
:data:`KEEP_UNUSED`, so that a board in the middle of a download can finish.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from iotronic_mec.errors import Conflict, Error, NotFound

KEEP_UNUSED = timedelta(hours=1)
"""How long a blob nothing uses is kept. Chosen here: longer than a slow
board's download of the largest bundle."""

KEEP_RESERVED = timedelta(hours=1)
"""How long an upload may take between its reservation and its first use;
never longer than :data:`KEEP_UNUSED`, or its file could be collected before."""


class BlobNotFound(NotFound):
    """There is no such blob."""

    code = "iot.blob.not_found"


class BlobMissing(Conflict):
    """The bytes of a blob are not in the storage."""

    code = "iot.blob.missing"


class QuotaExceeded(Error):
    """The project has no room for this."""

    code = "iot.blob.quota_exceeded"
    http_status = 413


class ReservationGone(Conflict):
    """The room reserved for this upload was given back; upload again."""

    code = "iot.blob.reservation_gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """One content as one project holds it.

    ``digest`` is its SHA-256 in hexadecimal digits, ``size`` in bytes;
    ``unused_at`` says since when nothing uses it, ``None`` while something does.
    """

    digest: str
    project: str
    size: int
    created_at: datetime
    unused_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Room an upload under way may take, ``size`` in bytes."""

    uuid: str
    project: str
    size: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What counts against a project's quota, in bytes; ``unused`` is part of ``stored``."""

    stored: int
    unused: int
    reserved: int
