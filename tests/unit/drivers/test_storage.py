"""Storage drivers: one body of tests for all of them."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from iotronic_mec.clock import ManualClock
from iotronic_mec.drivers.load import NoSuchDriver, load_storage
from iotronic_mec.drivers.storage.base import (
    BadDigest,
    BytesNotFound,
    BytesTooLarge,
    Storage,
    StorageFull,
    StorageUnavailable,
)
from iotronic_mec.drivers.storage.filesystem import FilesystemStorage

CONTENT = b"some bytes of a plugin"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock the test moves."""
    return ManualClock()


@pytest.fixture(params=["fake", "filesystem"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Storage:
    """Return an empty storage, of each driver in turn."""
    return load_storage(request.param, tmp_path / "blobs", clock)


def test_gives_back_what_was_put(storage: Storage) -> None:
    """Bytes put in pieces come back whole under their SHA-256."""
    stored = storage.put(iter([CONTENT[:5], b"", CONTENT[5:]]), 100)

    assert (stored.digest, stored.size_bytes) == (DIGEST, len(CONTENT))
    with storage.open(DIGEST) as file:
        assert file.read() == CONTENT
    assert storage.size(DIGEST) == len(CONTENT)
    assert storage.exists(DIGEST)


def test_takes_exactly_the_limit(storage: Storage) -> None:
    """As many bytes as the limit are accepted, and none are too."""
    assert storage.put([CONTENT], len(CONTENT)).size_bytes == len(CONTENT)
    assert storage.put([], 0).size_bytes == 0


def test_refuses_more_than_the_limit(storage: Storage) -> None:
    """One byte over the limit is refused and nothing is kept."""
    with pytest.raises(BytesTooLarge):
        storage.put([CONTENT], len(CONTENT) - 1)

    assert not storage.exists(DIGEST)


def test_keeps_nothing_of_a_broken_upload(storage: Storage, clock: ManualClock) -> None:
    """When the source fails half-way, nothing remains."""

    def broken() -> Iterator[bytes]:
        yield CONTENT
        raise ConnectionResetError

    with pytest.raises((ConnectionResetError, StorageUnavailable)):
        storage.put(broken(), 100)

    clock.advance(7200)
    assert list(storage.iter_old(clock.now())) == []
    assert storage.clean(clock.now()) == 0


def test_knows_what_it_has_not(storage: Storage) -> None:
    """Opening or measuring absent bytes says that they are absent."""
    with pytest.raises(BytesNotFound):
        storage.open(DIGEST)
    with pytest.raises(BytesNotFound):
        storage.size(DIGEST)
    assert not storage.exists(DIGEST)
    assert not storage.delete(DIGEST)


@pytest.mark.parametrize(
    "digest", ["", "../../etc/passwd", DIGEST.upper(), DIGEST + "\n", DIGEST[:-1] + "/", "é" * 64]
)
def test_takes_digests_only(storage: Storage, digest: str) -> None:
    """Nothing but 64 lower-case hexadecimal digits reaches a path."""
    with pytest.raises(BadDigest):
        storage.open(digest)
    with pytest.raises(BadDigest):
        storage.delete(digest)
    with pytest.raises(BadDigest):
        storage.exists(digest)


def test_deletes(storage: Storage) -> None:
    """Deleted bytes are gone; deleting again says that nothing was there."""
    storage.put([CONTENT], 100)

    assert storage.delete(DIGEST)
    assert not storage.exists(DIGEST)
    assert not storage.delete(DIGEST)


def test_spares_what_was_put_again(storage: Storage, clock: ManualClock) -> None:
    """Bytes put a second time are young, and a deletion of old ones spares them."""
    storage.put([CONTENT], 100)
    clock.advance(7200)
    before = clock.now() - HOUR
    assert list(storage.iter_old(before)) == [DIGEST]

    storage.put([CONTENT], 100)

    assert list(storage.iter_old(before)) == []
    assert not storage.delete(DIGEST, older_than=before)
    assert storage.exists(DIGEST)


def test_deletes_what_is_old(storage: Storage, clock: ManualClock) -> None:
    """Bytes stored before the moment are deleted."""
    storage.put([CONTENT], 100)
    clock.advance(7200)

    assert storage.delete(DIGEST, older_than=clock.now() - HOUR)


def test_reader_is_not_disturbed(storage: Storage) -> None:
    """Who has bytes open reads them to the end, whatever is put or deleted."""
    storage.put([CONTENT], 100)

    with storage.open(DIGEST) as file:
        storage.put([CONTENT], 100)
        storage.delete(DIGEST)
        assert file.read() == CONTENT


def test_many_put_the_same(storage: Storage) -> None:
    """The same bytes put by several threads at once are stored whole, once."""
    failures: list[BaseException] = []

    def put() -> None:
        try:
            storage.put([CONTENT[:7], CONTENT[7:]], 100)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert failures == []
    with storage.open(DIGEST) as file:
        assert file.read() == CONTENT


def test_collector_and_uploads_at_once(storage: Storage, clock: ManualClock) -> None:
    """While old bytes are deleted and put again, whoever has put finds them."""
    lost: list[str] = []
    before = clock.now() - HOUR

    def put() -> None:
        for _ in range(20):
            storage.put([CONTENT], 100)
            if not storage.exists(DIGEST):
                lost.append("lost")

    def collect() -> None:
        for _ in range(200):
            storage.delete(DIGEST, older_than=before)

    threads = [threading.Thread(target=work) for work in (put, put, collect, collect)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert lost == []


def test_files_are_private_and_in_place(tmp_path: Path, clock: ManualClock) -> None:
    """A file stands under its first two digits, readable by its owner only."""
    storage = FilesystemStorage(tmp_path / "blobs", clock)

    storage.put([CONTENT], 100)

    path = tmp_path / "blobs" / DIGEST[:2] / DIGEST
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "blobs").stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "blobs" / "tmp").iterdir()) == []


def test_removes_what_a_crash_left(tmp_path: Path, clock: ManualClock) -> None:
    """Old temporary files go, young ones and stored ones stay."""
    storage = FilesystemStorage(tmp_path / "blobs", clock)
    old, young = (tmp_path / "blobs" / "tmp" / name for name in ("old", "young"))
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    long_ago = (clock.now() - 2 * HOUR).timestamp()
    os.utime(old, (long_ago, long_ago))

    removed = storage.clean(clock.now() - HOUR)

    assert removed == 1
    assert not old.exists()
    assert young.exists()


def test_syncs_before_it_publishes(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File and folders are synced: the file before, its folder after the rename."""
    storage = FilesystemStorage(tmp_path / "blobs", clock)
    path = tmp_path / "blobs" / DIGEST[:2] / DIGEST
    synced: list[tuple[str, bool]] = []
    real = os.fsync

    def fsync(number: int) -> None:
        name = Path(os.readlink(f"/proc/self/fd/{number}")).name
        synced.append((name, path.exists()))
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    storage.put([CONTENT], 100)

    assert [published for _, published in synced] == [False, False, True]
    assert [name for name, _ in synced[1:]] == ["blobs", DIGEST[:2]]


def test_says_when_the_disk_is_full(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is the operator's to mend, and says so; nothing is left."""
    storage = FilesystemStorage(tmp_path / "blobs", clock)

    def fsync(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StorageFull):
        storage.put([CONTENT], 100)

    assert list((tmp_path / "blobs" / "tmp").iterdir()) == []


def test_errors_tell_no_path(tmp_path: Path, clock: ManualClock) -> None:
    """A folder that cannot be used is reported without its name."""
    blocked = tmp_path / "blobs"
    blocked.write_text("a file in the way")

    with pytest.raises(StorageUnavailable) as caught:
        FilesystemStorage(blocked, clock)

    assert str(tmp_path) not in caught.value.message


def test_unknown_driver_is_named(tmp_path: Path) -> None:
    """A driver that is not installed is an error that names it."""
    with pytest.raises(NoSuchDriver, match="swift"):
        load_storage("swift", tmp_path)
