"""Backup and restore of a cloud's records, blobs and secrets."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from iotronic_mec.clock import Clock
from iotronic_mec.cmd import backup, core, db
from iotronic_mec.context import system_context
from iotronic_mec.db import dump, migrate
from iotronic_mec.db.engine import open_database
from iotronic_mec.drivers.storage.filesystem import FilesystemStorage
from iotronic_mec.features.audit.store import AuditChain
from iotronic_mec.features.blob import store as blob_store


def lines(folder: Path) -> dict[str, list[bytes]]:
    """Return all rows of a cloud's database."""
    with dump.snapshot(core.database_url(folder)) as connection:
        return {table.name: list(dump.iter_lines(connection, table)) for table in dump.tables()}


@pytest.fixture
def cloud(tmp_path: Path) -> Path:
    """Give a state directory with rows, a blob and secrets."""
    folder = tmp_path / "cloud"
    folder.mkdir()
    migrate.upgrade(core.database_url(folder))
    stored = FilesystemStorage(folder / "blobs").put([b"print(1)"], 100)
    database = open_database(core.database_url(folder))
    append = AuditChain(Clock())

    def fill(connection: Any) -> None:
        append(connection, system_context(), "board.create", "board", "é\U0001f600")
        blob_store.use(connection, "p", stored.digest, 8, "plugin", "x", now=Clock().now())

    database.write(fill)
    database.close()
    (folder / "secret.key").write_bytes(os.urandom(32))
    (folder / "iotronic.conf").write_text("[api]\nmax_limit = 10\n", encoding="utf-8")
    (folder / "conductor.lock").touch()
    return folder


def run(command: str, file: Path, folder: Path) -> int:
    """Run the command as an operator does."""
    return db.run([command, str(file), "--state-dir", str(folder)])


def test_there_and_back(cloud: Path, tmp_path: Path) -> None:
    """After backup, wipe and restore everything is as it was, and private."""
    before, secret = lines(cloud), (cloud / "secret.key").read_bytes()
    file = tmp_path / "b.tar"
    made = run("backup", file, cloud)
    shutil.rmtree(cloud)

    restored = run("restore", file, cloud)

    assert (made, restored) == (0, 0)
    assert lines(cloud) == before
    assert sum(map(len, before.values())) > 2
    assert (cloud / "secret.key").read_bytes() == secret
    assert [path.read_bytes() for path in (cloud / "blobs").glob("??/*")] == [b"print(1)"]
    private = [cloud / "secret.key", cloud / core.DATABASE_NAME, file]
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
    assert cloud.stat().st_mode & 0o777 == 0o700
    assert db.run(["check", "--state-dir", str(cloud)]) == 0


def test_never_over_something(
    cloud: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a file nor a database that is there is written over."""
    file = tmp_path / "b.tar"
    run("backup", file, cloud)
    (cloud / "secret.key").write_bytes(b"another")
    content, before = file.read_bytes(), lines(cloud)

    again = run("backup", file, cloud)
    over = run("restore", file, cloud)

    assert (again, over) == (1, 1)
    assert (file.read_bytes(), lines(cloud)) == (content, before)
    assert (cloud / "secret.key").read_bytes() == b"another"
    assert "exists" in capsys.readouterr().err


def test_conductor_runs(cloud: Path, tmp_path: Path) -> None:
    """A backup is made beside a running conductor, a restore is not."""
    held = core.lock(cloud)

    codes = run("backup", tmp_path / "b.tar", cloud), run("restore", tmp_path / "b.tar", cloud)

    os.close(held)
    assert codes == (0, 1)


@pytest.mark.parametrize("part", ["tables/audit.jsonl", "files/secret.key", "blobs/"])
@pytest.mark.parametrize("how", ["changed", "removed"])
def test_damage(
    cloud: Path, tmp_path: Path, part: str, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed or missing part is found before anything is written."""
    file, other = tmp_path / "b.tar", tmp_path / "damaged.tar"
    run("backup", file, cloud)
    rewrite(file, other, part, how)

    code = run("restore", other, tmp_path / "fresh")

    assert code == 1
    assert "backup" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "fresh").iterdir()) == ["conductor.lock"]


def test_a_path_that_leads_out(cloud: Path, tmp_path: Path) -> None:
    """An archive with a path of its own choice is refused."""
    file, other = tmp_path / "b.tar", tmp_path / "evil.tar"
    run("backup", file, cloud)
    rewrite(file, other, "files/secret.key", "files/../../out")

    code = run("restore", other, tmp_path / "fresh")

    assert code == 1
    assert not (tmp_path / "out").exists()


def rewrite(source: Path, target: Path, part: str, how: str) -> None:
    """Copy an archive with one part changed, left out, or renamed to ``how``."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for entry in old.getmembers():
            content: Any = old.extractfile(entry)
            if entry.name.startswith(part):
                if how == "removed":
                    continue
                if how == "changed":
                    content = io.BytesIO(b"x" * entry.size)
                else:
                    entry.name = how
            new.addfile(entry, content)


def test_another_revision(
    cloud: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A backup of a newer release is refused with the way out."""
    file = tmp_path / "b.tar"
    run("backup", file, cloud)
    monkeypatch.setattr(migrate, "revisions", lambda: frozenset({"0001"}))

    code = run("restore", file, tmp_path / "fresh")

    assert code == 1
    assert "does not know" in capsys.readouterr().err


def test_a_blob_that_is_lost(cloud: Path, tmp_path: Path) -> None:
    """A backup that would not be whole is not made."""
    for path in (cloud / "blobs").glob("??/*"):
        path.unlink()

    code = run("backup", tmp_path / "b.tar", cloud)

    assert code == 1
    assert not (tmp_path / "b.tar").exists()
    assert backup.FORMAT == 1


@pytest.fixture
def apart(cloud: Path, tmp_path: Path) -> list[str]:
    """Make the cloud one of separate processes: storage, secret and files lie elsewhere."""
    etc = tmp_path / "etc"
    etc.mkdir()
    (cloud / "secret.key").rename(etc / "secret.key")
    shutil.move(cloud / "blobs", tmp_path / "shared")
    common, own = etc / "iotronic.conf", etc / "conductor.conf"
    common.write_text(
        f"[cloud]\nstate_dir = /nowhere\nsecret_file = {etc / 'secret.key'}\n"
        f"[storage]\npath = {tmp_path / 'shared'}\n",
        encoding="utf-8",
    )
    own.write_text(f"[cloud]\nstate_dir = {cloud}\n", encoding="utf-8")
    return ["--config-file", str(common), "--config-file", str(own)]


def test_separate_processes(
    cloud: Path, tmp_path: Path, apart: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Bundles and secret come from where the configuration says, and go there."""
    file, secret = tmp_path / "b.tar", tmp_path / "etc" / "secret.key"
    before, content = lines(cloud), secret.read_bytes()
    made = db.run(["backup", str(file), *apart])
    for folder in (cloud, tmp_path / "shared"):
        shutil.rmtree(folder)
    secret.unlink()

    restored = db.run(["restore", str(file), *apart])

    assert (made, restored) == (0, 0)
    assert lines(cloud) == before
    assert (secret.read_bytes(), secret.stat().st_mode & 0o777) == (content, 0o600)
    stored = [path.read_bytes() for path in (tmp_path / "shared").glob("??/*")]
    assert (stored, (cloud / "blobs").exists()) == ([b"print(1)"], False)
    assert str(secret) in capsys.readouterr().out


def test_another_secret_is_kept(
    cloud: Path, tmp_path: Path, apart: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Over another secret, or where none can be put, nothing is done; it says what to do."""
    file, secret = tmp_path / "b.tar", tmp_path / "etc" / "secret.key"
    db.run(["backup", str(file), *apart])
    shutil.rmtree(cloud)
    lost = tmp_path / "lost.conf"
    lost.write_text(f"[cloud]\nsecret_file = {tmp_path / 'gone' / 'key'}\n", encoding="utf-8")
    secret.write_bytes(b"x" * 32)

    other = db.run(["restore", str(file), *apart])
    nowhere = db.run(["restore", str(file), *apart, "--config-file", str(lost)])

    told = capsys.readouterr().err
    assert (other, nowhere) == (1, 1)
    assert "not the secret of this backup" in told
    assert "make that folder" in told
    assert secret.read_bytes() == b"x" * 32
    assert sorted(path.name for path in cloud.iterdir()) == ["conductor.lock"]


def test_a_secret_that_cannot_be_read(
    tmp_path: Path, apart: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no backup without the secret."""
    (tmp_path / "etc" / "secret.key").unlink()

    code = db.run(["backup", str(tmp_path / "b.tar"), *apart])

    assert code == 1
    assert "secret_file" in capsys.readouterr().err
    assert not (tmp_path / "b.tar").exists()


def test_separate_processes_become_standalone(
    tmp_path: Path, apart: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without their files a restore puts the secret where standalone looks for it."""
    file, folder = tmp_path / "b.tar", tmp_path / "fresh"
    db.run(["backup", str(file), *apart])

    code = run("restore", file, folder)

    assert code == 0
    assert (folder / "secret.key").read_bytes() == (tmp_path / "etc/secret.key").read_bytes()
    assert len(list((folder / "blobs").glob("??/*"))) == 1
    assert str(folder / "secret.key") in capsys.readouterr().out


def test_no_cloud_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Either option names the cloud; neither is wrong."""
    with pytest.raises(SystemExit) as ended:
        db.run(["backup", "b.tar"])

    assert ended.value.code == 2
    assert "--config-file" in capsys.readouterr().err
