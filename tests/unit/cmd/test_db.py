"""``iotronic-mec db``: upgrades, and keeps away while a conductor holds the lock."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from iotronic_mec.audit_segment import Segment, write
from iotronic_mec.clock import Clock
from iotronic_mec.cmd import audit, core, db
from iotronic_mec.context import system_context
from iotronic_mec.db import migrate
from iotronic_mec.db.engine import open_database, sqlite_url
from iotronic_mec.drivers.storage.filesystem import FilesystemStorage
from iotronic_mec.features.audit import store
from iotronic_mec.features.audit.store import AuditChain
from iotronic_mec.features.audit_segment import store as segment_store
from iotronic_mec.features.audit_segment.model import KIND, SealedSegment
from iotronic_mec.features.blob import store as blob_store
from iotronic_mec.ids import new_uuid
from iotronic_mec.registry import FEATURES
from tests.fakes import upstream_database


def test_upgrade(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty state directory gets a database of this release, once."""
    codes = [db.run(["upgrade", "--state-dir", str(tmp_path)]) for _ in range(2)]

    head = migrate.head()
    assert codes == [0, 0]
    assert capsys.readouterr().out == f"upgraded to {head}\nalready at {head}\n"


def test_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The revisions of database and release are shown."""
    code = db.run(["version", "--state-dir", str(tmp_path)])

    assert code == 0
    assert capsys.readouterr().out == f"database empty\nrelease  {migrate.head()}\n"


def test_the_place_of_separate_processes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A configuration file names state directory and database; nothing is made elsewhere."""
    (tmp_path / "state").mkdir()
    theirs, ours = tmp_path / "theirs.sqlite", tmp_path / "ours.sqlite"
    file = tmp_path / "iotronic.conf"
    file.write_text(
        f"[cloud]\nstate_dir = {tmp_path / 'state'}\nsecret_file = {tmp_path / 'key'}\n"
        f"[database]\nconnection = {sqlite_url(ours)}\n",
        encoding="utf-8",
    )
    (tmp_path / "key").write_bytes(b"s" * 32)
    (tmp_path / "key").chmod(0o600)
    upstream_database.make(sqlite_url(theirs))
    place = ["--config-file", str(file)]

    upgraded = db.run(["upgrade", *place])
    version = db.run(["version", *place])
    db.run(["import-iotronic", sqlite_url(theirs), "--apply", *place])
    told = capsys.readouterr().out
    checked = db.run(["check", *place])

    assert (upgraded, version, checked) == (0, 0, 0), capsys.readouterr()
    assert f"database {migrate.head()}" in told and "boards: 2 imported" in told
    assert not (tmp_path / "state" / core.DATABASE_NAME).exists()
    database = open_database(sqlite_url(ours), writes=False)
    with database.read() as connection:
        boards = connection.exec_driver_sql("SELECT count(*) FROM board").scalar()
    database.close()
    assert boards == 4


def test_conductor_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """While a conductor holds the lock nothing is upgraded."""
    held = core.lock(tmp_path)

    code = db.run(["upgrade", "--state-dir", str(tmp_path)])

    os.close(held)
    assert code == 1
    assert "a conductor is running" in capsys.readouterr().err
    assert migrate.present(core.database_url(tmp_path)) is None


def test_no_folder(tmp_path: Path) -> None:
    """A folder that is not there is refused, not made."""
    absent = tmp_path / "absent"

    code = db.run(["upgrade", "--state-dir", str(absent)])

    assert code == 1
    assert not absent.exists()


def check(folder: Path) -> int:
    """Run the check on a state directory."""
    return db.run(["check", "--state-dir", str(folder)])


def state_with_rows(folder: Path) -> Path:
    """Make a state directory whose audit has rows; return the database file."""
    migrate.upgrade(core.database_url(folder))
    database = open_database(core.database_url(folder))
    append = AuditChain(Clock())
    for name in ("a", "b", "c"):
        database.write(
            lambda connection, name=name: append(  # type: ignore[misc]
                connection, system_context(), "board.create", "board", name
            )
        )
    database.close()
    return folder / core.DATABASE_NAME


def test_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A whole database has nothing to tell."""
    state_with_rows(tmp_path)

    code = check(tmp_path)

    assert capsys.readouterr().out.splitlines() == [
        "file: ok",
        f"schema of {len(FEATURES)} features: ok",
        "audit chain of 3 rows: ok",
    ]
    assert code == 0


def seal(folder: Path, rows: int) -> Segment:
    """Seal the first rows of a state directory's audit, as the cloud does; return what it is."""
    database = open_database(core.database_url(folder))
    storage = FilesystemStorage(folder / "blobs")
    with database.read() as connection:
        found = store.list_rows(connection, limit=rows - 1)
    planned = Segment(
        first=1,
        last=rows,
        previous=found[0].previous,
        hash=found[-1].hash,
        digest="",
        size=0,
    )
    stored = storage.put(write((row.to_wire() for row in found), planned), 1_000_000)
    segment = replace(planned, digest=stored.digest, size=stored.size_bytes)
    at = found[0].time
    made = SealedSegment(uuid=new_uuid(), segment=segment, first_at=at, last_at=at, created_at=at)

    def change(connection: Connection) -> None:
        segment_store.add(connection, made)
        blob_store.use(connection, "", segment.digest, segment.size, KIND, made.uuid, now=at)
        store.delete_range(connection, 1, rows)

    database.write(change)
    database.close()
    return segment


def test_check_reads_sealed_segments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows in files are a part of the chain; a file that is gone is told."""
    state_with_rows(tmp_path)
    segment = seal(tmp_path, 2)

    whole = check(tmp_path), capsys.readouterr().out
    (tmp_path / "blobs" / segment.digest[:2] / segment.digest).unlink()
    lost = check(tmp_path), capsys.readouterr().out

    assert whole[0] == 0
    assert "audit chain of 3 rows, 1 sealed segments among them: ok" in whole[1]
    assert lost[0] == 1
    assert "there is no file of rows 1 to 2" in lost[1]


def test_segments_are_checked_where_they_lie(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The audit's own command checks files and rows, against kept heads too."""
    state_with_rows(tmp_path)
    segment = seal(tmp_path, 2)
    words = ["verify-segments", "--state-dir", str(tmp_path)]
    (tmp_path / "heads").write_text(f"2026-01-01 {segment.head}\n", encoding="utf-8")

    codes = [
        audit.run(words),
        audit.run([*words, "--against", str(tmp_path / "heads")]),
        audit.run([*words, "--against", f"1:{'f' * 64}"]),
    ]

    told = capsys.readouterr().out
    assert codes == [0, 0, 1]
    assert "segments 1\nrows     3\n" in told
    assert "row 1 is not the one known before" in told


def test_a_backup_holds_the_segments(tmp_path: Path) -> None:
    """After backup, loss and restore the sealed rows are there again."""
    cloud, fresh = tmp_path / "cloud", tmp_path / "fresh"
    cloud.mkdir()
    state_with_rows(cloud)
    seal(cloud, 2)
    (cloud / "secret.key").write_bytes(b"s" * 32)
    file = str(tmp_path / "b.tar")

    codes = [
        db.run(["backup", file, "--state-dir", str(cloud)]),
        db.run(["restore", file, "--state-dir", str(fresh)]),
        audit.run(["verify-segments", "--state-dir", str(fresh)]),
    ]

    assert codes == [0, 0, 0]
    assert len(list((fresh / "blobs").glob("??/*"))) == 1


def test_check_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no database none is made by looking for it."""
    code = check(tmp_path)

    assert code == 1
    assert "there is no database" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_version_makes_no_file(tmp_path: Path) -> None:
    """Asking for the revision makes no empty database."""
    db.run(["version", "--state-dir", str(tmp_path)])

    assert list(tmp_path.iterdir()) == []


def test_check_finds_a_changed_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row of the audit that was changed afterwards is named."""
    file = state_with_rows(tmp_path)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("UPDATE audit SET target = 'x' WHERE sequence = 2")

    code = check(tmp_path)

    assert code == 1
    assert "row 2 was changed" in capsys.readouterr().out


def test_check_finds_another_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing index is a finding, and the cure is told."""
    file = state_with_rows(tmp_path)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("DROP INDEX ix_audit_target_sequence")

    code = check(tmp_path)

    assert code == 1
    assert "1 findings; run 'iotronic-mec db upgrade'" in capsys.readouterr().out


def test_check_finds_damage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is no database is damaged, not a traceback."""
    (tmp_path / core.DATABASE_NAME).write_bytes(b"no database at all " * 100)

    code = check(tmp_path)

    assert code == 1
    assert "restore a backup" in capsys.readouterr().out
