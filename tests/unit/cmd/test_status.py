"""``iotronic-mec status upgrade-check``: nothing to do, look, or stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from iotronic_mec.cmd import core, status
from iotronic_mec.db import migrate

CHECK = ["upgrade-check", "--state-dir"]


def test_ready(tmp_path: Path) -> None:
    """A database at this release needs nothing."""
    migrate.upgrade(core.database_url(tmp_path))

    assert status.run([*CHECK, str(tmp_path)]) == status.SUCCESS


def test_nothing_there(tmp_path: Path) -> None:
    """An empty state directory needs nothing."""
    assert status.run([*CHECK, str(tmp_path)]) == status.SUCCESS


def test_old_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A database behind this release is a warning that names the command."""
    (tmp_path / core.DATABASE_NAME).touch()

    code = status.run([*CHECK, str(tmp_path)])

    assert code == status.WARNING
    assert "iotronic-mec db upgrade" in capsys.readouterr().out


def test_bad_configuration(tmp_path: Path) -> None:
    """A configuration that cannot be read stops an upgrade."""
    (tmp_path / "iotronic.conf").write_text("[api]\nmax_limit = many\n")

    assert status.run([*CHECK, str(tmp_path)]) == status.FAILURE


def test_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing extra stops an upgrade."""
    monkeypatch.setattr(status, "missing", lambda *_: ["crossbar not installed"])

    assert status.run([*CHECK, str(tmp_path)]) == status.FAILURE
