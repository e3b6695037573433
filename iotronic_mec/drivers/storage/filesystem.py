"""Storage in a folder: ``<first two digits>/<digest>``, written by way of ``tmp``.

Bytes are streamed into ``tmp``, hashed on the way, synced, and renamed to
their place; then the folder is synced, so that after a crash a digest has all
its bytes or none. Age is the time of that rename, set from the clock.
Publishing holds a shared file lock and deleting an exclusive one: deleting
looks at the age and removes in one step, in whatever process either happens.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, BinaryIO

from iotronic_mec.clock import Clock
from iotronic_mec.drivers.storage.base import (
    BytesNotFound,
    BytesTooLarge,
    StorageFull,
    StorageUnavailable,
    Stored,
    check_digest,
)
from iotronic_mec.errors import Error

TEMPORARY = "tmp"
"""Folder of uploads under way, beside the 256 folders of digests."""

_LOCK = ".lock"
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class FilesystemStorage:
    """Bytes as files below one folder, mode 0700.

    :param folder: made when absent; one file system, since files are renamed
    :param clock: gives the age of what is stored
    """

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self._folder = folder
        self._clock = clock or Clock()
        with _translated():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / TEMPORARY).mkdir(mode=0o700, exist_ok=True)

    def put(self, chunks: Iterable[bytes], limit_bytes: int) -> Stored:
        """Store bytes; blocks for two syncs."""
        with _translated():
            number, name = tempfile.mkstemp(dir=self._folder / TEMPORARY)
            path = Path(name)
            try:
                with open(number, "wb") as file:
                    stored = _copy(chunks, file, limit_bytes)
                    file.flush()
                    os.fsync(file.fileno())
                self._publish(path, stored.digest)
            finally:
                path.unlink(missing_ok=True)
        return stored

    def open(self, digest: str) -> BinaryIO:
        """Open bytes for reading."""
        with _translated(), _missing(digest):
            return self._path(digest).open("rb")

    def size(self, digest: str) -> int:
        """Return how many bytes there are."""
        with _translated(), _missing(digest):
            return self._path(digest).stat().st_size

    def exists(self, digest: str) -> bool:
        """Say whether there are bytes under a digest."""
        return self._path(digest).is_file()

    def delete(self, digest: str, *, older_than: datetime | None = None) -> bool:
        """Delete bytes, unless they are younger."""
        path = self._path(digest)
        with _translated(), self._locked(fcntl.LOCK_EX):
            try:
                if older_than is not None and not _is_older(path, older_than):
                    return False
                path.unlink()
            except FileNotFoundError:
                return False
        return True

    def iter_old(self, older_than: datetime) -> Iterator[str]:
        """Yield the digests of older bytes, folder by folder."""
        for path in sorted(self._folder.glob("[0-9a-f][0-9a-f]/*")):
            with contextlib.suppress(FileNotFoundError, Error):
                if path.name == check_digest(path.name) and _is_older(path, older_than):
                    yield path.name

    def clean(self, older_than: datetime) -> int:
        """Remove older files of uploads that ended without a word."""
        removed = 0
        for path in (self._folder / TEMPORARY).iterdir():
            with contextlib.suppress(FileNotFoundError):
                if _is_older(path, older_than):
                    path.unlink()
                    removed += 1
        return removed

    def _path(self, digest: str) -> Path:
        return self._folder / check_digest(digest)[:2] / digest

    def _publish(self, path: Path, digest: str) -> None:
        target = self._path(digest)
        try:
            target.parent.mkdir(mode=0o700)
        except FileExistsError:
            pass
        else:
            _sync(self._folder)
        now_s = self._clock.now().timestamp()
        with self._locked(fcntl.LOCK_SH):
            os.utime(path, (now_s, now_s))
            path.replace(target)
        _sync(target.parent)

    @contextlib.contextmanager
    def _locked(self, kind: int) -> Iterator[None]:
        number = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(number, kind)
            yield
        finally:
            os.close(number)


def _copy(chunks: Iterable[bytes], file: IO[bytes], limit_bytes: int) -> Stored:
    digest = hashlib.sha256()
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit_bytes:
            raise BytesTooLarge(f"more than {limit_bytes} bytes")
        digest.update(chunk)
        file.write(chunk)
    return Stored(digest=digest.hexdigest(), size_bytes=size)


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _is_older(path: Path, moment: datetime) -> bool:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC) < moment


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn what the system raises into the storage's errors; no path leaves."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StorageFull() from error
        raise StorageUnavailable() from error


@contextlib.contextmanager
def _missing(digest: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise BytesNotFound(f"no bytes under digest {digest}") from error
