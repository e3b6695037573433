"""Storage in memory, for tests and as the worked example of a driver."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from iotronic_mec.clock import Clock
from iotronic_mec.drivers.storage.base import BytesNotFound, BytesTooLarge, Stored, check_digest


class FakeStorage:
    """Bytes in a dictionary; gone with the process.

    :param folder: not used; drivers of the family are made alike
    :param clock: gives the age of what is stored
    """

    def __init__(self, folder: Path | None = None, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._kept: dict[str, tuple[bytes, datetime]] = {}
        self._lock = threading.Lock()

    def put(self, chunks: Iterable[bytes], limit_bytes: int) -> Stored:
        """Store bytes."""
        collected = bytearray()
        for chunk in chunks:
            collected += chunk
            if len(collected) > limit_bytes:
                raise BytesTooLarge(f"more than {limit_bytes} bytes")
        content = bytes(collected)
        digest = hashlib.sha256(content).hexdigest()
        with self._lock:
            self._kept[digest] = (content, self._clock.now())
        return Stored(digest=digest, size_bytes=len(content))

    def open(self, digest: str) -> BinaryIO:
        """Open bytes for reading."""
        return io.BytesIO(self._get(digest))

    def size(self, digest: str) -> int:
        """Return how many bytes there are."""
        return len(self._get(digest))

    def exists(self, digest: str) -> bool:
        """Say whether there are bytes under a digest."""
        return check_digest(digest) in self._kept

    def delete(self, digest: str, *, older_than: datetime | None = None) -> bool:
        """Delete bytes, unless they are younger."""
        check_digest(digest)
        with self._lock:
            found = self._kept.get(digest)
            if found is None or (older_than is not None and found[1] >= older_than):
                return False
            del self._kept[digest]
        return True

    def iter_old(self, older_than: datetime) -> Iterator[str]:
        """Yield the digests of older bytes."""
        with self._lock:
            old = [digest for digest, (_, at) in self._kept.items() if at < older_than]
        yield from sorted(old)

    def clean(self, older_than: datetime) -> int:
        """Do nothing: a broken upload leaves nothing here."""
        return 0

    def _get(self, digest: str) -> bytes:
        try:
            return self._kept[check_digest(digest)][0]
        except KeyError:
            raise BytesNotFound(f"no bytes under digest {digest}") from None
