"""``iotronic-mec db``: upgrades, and keeps away while a conductor holds the lock."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from iotronic_mec.cmd import core, db
from iotronic_mec.db import migrate


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
