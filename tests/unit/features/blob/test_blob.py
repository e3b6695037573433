"""Blobs: quota, reservations, uses, collection."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from iotronic_mec.errors import BadRequest
from iotronic_mec.features.blob import periodic, store
from iotronic_mec.features.blob.commands import BlobCommands
from iotronic_mec.features.blob.model import QuotaExceeded, ReservationGone, Usage
from iotronic_mec.features.blob.table import blob, blob_reservation, blob_use
from tests.fakes.conductor import OTHER_PROJECT, PROJECT, FakeConductor, conductor, context

TARGET = "44444444-4444-4444-8444-444444444444"
OTHER_TARGET = "55555555-5555-4555-8555-555555555555"
QUOTA = 1000


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeConductor]:
    """Return parts with the blobs' tables and a small quota."""
    tables = [blob, blob_use, blob_reservation]
    with conductor(tmp_path, tables, quota_bytes=QUOTA) as made:
        yield made


def commands(fake: FakeConductor) -> BlobCommands:
    """Return the commands."""
    return BlobCommands(fake.parts, {})


def upload(
    fake: FakeConductor, content: bytes, project: str = PROJECT, target: str = TARGET
) -> str:
    """Store bytes within a reservation and let a target use them; return the digest."""
    room = commands(fake).reserve(context(project), size_bytes=len(content))
    stored = fake.storage.put([content], len(content))

    def change(connection: Connection) -> None:
        store.use(
            connection,
            project,
            stored.digest,
            stored.size_bytes,
            "plugin",
            target,
            now=fake.clock.now(),
            reservation=room["reservation"],
        )

    fake.parts.database.write(change)
    return stored.digest


def unuse(fake: FakeConductor, project: str = PROJECT, target: str = TARGET) -> None:
    """End a target's uses."""
    fake.parts.database.write(
        lambda connection: store.unuse(connection, project, "plugin", target, now=fake.clock.now())
    )


def usage(fake: FakeConductor, project: str = PROJECT) -> Usage:
    """Return what counts against the quota."""
    with fake.parts.database.read() as connection:
        return store.usage(connection, project)


def test_reserves_up_to_the_quota(fake: FakeConductor) -> None:
    """Room is given until the quota is used up, to the byte."""
    commands(fake).reserve(context(), size_bytes=600)
    commands(fake).reserve(context(), size_bytes=400)

    with pytest.raises(QuotaExceeded) as caught:
        commands(fake).reserve(context(), size_bytes=1)

    assert caught.value.details["reserved"] == 1000


def test_quota_is_each_projects_own(fake: FakeConductor) -> None:
    """What one project reserves takes no room of another."""
    commands(fake).reserve(context(), size_bytes=1000)

    assert commands(fake).reserve(context(OTHER_PROJECT), size_bytes=1000)


def test_released_room_is_free(fake: FakeConductor) -> None:
    """A released reservation counts no more; releasing again is no error."""
    room = commands(fake).reserve(context(), size_bytes=1000)
    commands(fake).release(context(), **room)
    commands(fake).release(context(), **room)

    assert usage(fake).reserved == 0


def test_refuses_less_than_nothing(fake: FakeConductor) -> None:
    """A negative size would widen the quota."""
    with pytest.raises(BadRequest):
        commands(fake).reserve(context(), size_bytes=-1)


def test_use_ends_the_reservation(fake: FakeConductor) -> None:
    """A used upload counts as stored and no longer as reserved."""
    upload(fake, b"x" * 300)

    assert usage(fake) == Usage(stored=300, unused=0, reserved=0)


def test_same_bytes_count_once_in_a_project(fake: FakeConductor) -> None:
    """Two targets with the same bytes take the room of one; another project takes its own."""
    upload(fake, b"x" * 300, target=TARGET)
    upload(fake, b"x" * 300, target=OTHER_TARGET)
    upload(fake, b"x" * 300, project=OTHER_PROJECT, target=TARGET)

    assert usage(fake).stored == 300
    assert usage(fake, OTHER_PROJECT).stored == 300


def test_use_after_the_reservation_ended_is_refused(fake: FakeConductor) -> None:
    """An upload that took too long is not used: its bytes may be gone."""
    room = commands(fake).reserve(context(), size_bytes=10)
    fake.clock.advance(3601)
    periodic.collect(fake.parts, {})

    with pytest.raises(ReservationGone):
        fake.parts.database.write(
            lambda connection: store.use(
                connection, PROJECT, "ab" * 32, 10, "plugin", TARGET, now=fake.clock.now(), **room
            )
        )

    assert usage(fake) == Usage(stored=0, unused=0, reserved=0)


def test_unused_blobs_are_collected_after_an_hour(fake: FakeConductor) -> None:
    """Bytes nothing uses stay an hour, still counted, and go then."""
    digest = upload(fake, b"x" * 300)
    unuse(fake)

    fake.clock.advance(3599)
    periodic.collect(fake.parts, {})
    assert fake.storage.exists(digest)
    assert usage(fake) == Usage(stored=300, unused=300, reserved=0)

    fake.clock.advance(2)
    periodic.collect(fake.parts, {})
    assert not fake.storage.exists(digest)
    assert usage(fake).stored == 0


def test_used_blobs_stay(fake: FakeConductor) -> None:
    """While one of two targets uses the bytes they stay."""
    digest = upload(fake, b"x" * 300, target=TARGET)
    upload(fake, b"x" * 300, target=OTHER_TARGET)
    unuse(fake, target=TARGET)

    fake.clock.advance(7200)
    periodic.collect(fake.parts, {})
    periodic.sweep(fake.parts, {})

    assert fake.storage.exists(digest)


def test_bytes_of_another_project_stay(fake: FakeConductor) -> None:
    """What one project drops another still has."""
    digest = upload(fake, b"x" * 300)
    upload(fake, b"x" * 300, project=OTHER_PROJECT)
    unuse(fake)

    fake.clock.advance(7200)
    periodic.collect(fake.parts, {})

    assert usage(fake).stored == 0
    assert fake.storage.exists(digest)


def test_used_again_in_time_is_kept(fake: FakeConductor) -> None:
    """Bytes that come into use again within the hour are not collected."""
    digest = upload(fake, b"x" * 300)
    unuse(fake)
    fake.clock.advance(3000)
    upload(fake, b"x" * 300, target=OTHER_TARGET)

    fake.clock.advance(3000)
    periodic.collect(fake.parts, {})

    assert fake.storage.exists(digest)
    assert usage(fake) == Usage(stored=300, unused=0, reserved=0)


def test_upload_just_stored_is_spared(fake: FakeConductor) -> None:
    """Bytes dropped by their last user and put anew a moment ago are not deleted."""
    digest = upload(fake, b"x" * 300)
    unuse(fake)
    fake.clock.advance(7200)
    fake.storage.put([b"x" * 300], 300)

    periodic.collect(fake.parts, {})
    periodic.sweep(fake.parts, {})

    assert fake.storage.exists(digest)


def test_uploads_nobody_used_are_swept(fake: FakeConductor) -> None:
    """Bytes a crash left without a row go after an hour; their room is given back."""
    commands(fake).reserve(context(), size_bytes=300)
    digest = fake.storage.put([b"x" * 300], 300).digest

    periodic.sweep(fake.parts, {})
    assert fake.storage.exists(digest)

    fake.clock.advance(3601)
    periodic.sweep(fake.parts, {})
    assert not fake.storage.exists(digest)
    assert usage(fake).reserved == 0


def test_collects_more_than_one_batch(
    fake: FakeConductor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many blobs are unused, one run collects them all."""
    monkeypatch.setattr(periodic, "_BATCH", 2)
    digests = [
        upload(fake, bytes([number]), target=hashlib.md5(bytes([number])).hexdigest())
        for number in range(5)
    ]
    for number in range(5):
        unuse(fake, target=hashlib.md5(bytes([number])).hexdigest())

    fake.clock.advance(7200)
    periodic.collect(fake.parts, {})

    assert [digest for digest in digests if fake.storage.exists(digest)] == []
