"""The interface of storage drivers: bytes under their own digest.

What was stored is never changed; the same bytes stored twice are one. The API
stores and reads, the conductor collects, in other processes where the
installation has several: a driver is safe for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

from iotronic_mec.errors import BadRequest, NotFound, TooLarge, Unavailable

_DIGEST = re.compile(r"[0-9a-f]{64}")


class BytesNotFound(NotFound):
    """There are no such bytes in the storage."""

    code = "iot.storage.not_found"


class BytesTooLarge(TooLarge):
    """The upload is over its limit."""

    code = "iot.storage.too_large"


class BadDigest(BadRequest):
    """A digest is 64 hexadecimal digits in lower case."""

    code = "iot.storage.bad_digest"


class StorageUnavailable(Unavailable):
    """The storage cannot be read or written at the moment."""

    code = "iot.storage.unavailable"


class StorageFull(Unavailable):
    """The storage has no room left; the operator has to make some."""

    code = "iot.storage.full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What :meth:`Storage.put` has stored: the SHA-256 and the size in bytes."""

    digest: str
    size_bytes: int


class Storage(Protocol):
    """One place for bytes; any thread."""

    def put(self, chunks: Iterable[bytes], limit_bytes: int) -> Stored:
        """Store bytes; they are durable when this returns.

        Storing what is there already makes it young again (see :meth:`delete`).
        When it fails, or the chunks raise, nothing is kept.

        :param limit_bytes: most bytes accepted
        :raises BytesTooLarge: there were more
        :raises StorageFull: no room is left
        :raises StorageUnavailable: the storage failed
        """

    def open(self, digest: str) -> BinaryIO:
        """Open bytes for reading, seekable; the caller closes.

        :raises BytesNotFound: there are none under this digest
        """

    def size(self, digest: str) -> int:
        """Return how many bytes there are under a digest.

        :raises BytesNotFound: there are none
        """

    def exists(self, digest: str) -> bool:
        """Say whether there are bytes under a digest."""

    def delete(self, digest: str, *, older_than: datetime | None = None) -> bool:
        """Delete bytes; say whether something was deleted.

        :param older_than: keep them when they were stored after this moment;
            so that collecting never takes what an upload has just stored anew
        """

    def iter_old(self, older_than: datetime) -> Iterator[str]:
        """Yield the digests of bytes stored before a moment."""

    def clean(self, older_than: datetime) -> int:
        """Remove what broken uploads left before a moment; return how many."""


def check_digest(digest: str) -> str:
    """Return the digest if it is one; nothing else reaches a path.

    :raises BadDigest: it is not
    """
    if _DIGEST.fullmatch(digest) is None:
        raise BadDigest()
    return digest
