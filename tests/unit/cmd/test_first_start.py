"""The first start: an administrator, and never one whose password is lost."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iotronic_mec.cmd import first_start
from iotronic_mec.context import system_context
from iotronic_mec.feature import Settings


class Identity:
    """Makes an administrator once, or fails at the commit."""

    def __init__(self, *, crash: bool = False, users: int = 0) -> None:
        self.crash = crash
        self.users = users

    def first_start(
        self, _context: Any, *, keep: Callable[[dict[str, Any]], None]
    ) -> dict[str, Any] | None:
        """Do what the token feature does."""
        if self.users:
            return None
        made = {"user": "admin", "password": f"p{self.crash}", "token": "iot_t"}
        keep(made)
        if self.crash:
            raise OSError("planted")
        self.users = 1
        return made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Give settings on an empty folder."""
    url = "http://127.0.0.1:1288"
    return Settings(state_dir=tmp_path, public_url=url, content_url=url, wamp_url="ws://x")


def test_files(settings: Settings) -> None:
    """Both files are the owner's only and hold what logs in."""
    made = first_start.ensure_administrator(Identity(), settings, system_context())

    clouds, openrc = settings.state_dir / "clouds.yaml", settings.state_dir / "openrc"
    assert made
    assert 'password: "pFalse"' in clouds.read_text()
    assert "OS_AUTH_TOKEN=iot_t" in openrc.read_text()
    assert {stat.S_IMODE(path.stat().st_mode) for path in (clouds, openrc)} == {0o600}


def test_only_once(settings: Settings) -> None:
    """Where there is a user nothing is made or written."""
    made = first_start.ensure_administrator(Identity(users=1), settings, system_context())

    assert not made
    assert list(settings.state_dir.iterdir()) == []


def test_a_crash_before_the_commit(settings: Settings) -> None:
    """The next start makes the administrator and writes the files anew."""
    with pytest.raises(OSError, match="planted"):
        first_start.ensure_administrator(Identity(crash=True), settings, system_context())

    made = first_start.ensure_administrator(Identity(), settings, system_context())

    assert made
    assert 'password: "pFalse"' in (settings.state_dir / "clouds.yaml").read_text()
