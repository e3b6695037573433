"""The state directory: private, locked, with keys that stay."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from iotronic_mec.cmd import state_dir
from iotronic_mec.cmd.state_dir import StateDir, StateDirUnusable


@pytest.fixture
def prepared(tmp_path: Path) -> StateDir:
    """Give a prepared directory."""
    return state_dir.prepare(tmp_path / "s")


def mode_of(path: Path) -> int:
    """Return the permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_nobody_else_may_look_in(tmp_path: Path) -> None:
    """Also where it was open before."""
    (tmp_path / "s").mkdir(mode=0o755)

    prepared = state_dir.prepare(tmp_path / "s")

    folders = (prepared.path, prepared.crossbar, prepared.logs)
    assert [mode_of(path) for path in folders] == [0o700] * 3


def test_keys_are_made_once_and_private(prepared: StateDir) -> None:
    """A second start finds the same."""
    makers = (state_dir.secret, state_dir.wamp_agent_seed, state_dir.wamp_agent_uuid)
    first = [make(prepared) for make in makers]

    again = [make(prepared) for make in makers]

    names = ("secret.key", "wamp-agent.key", "wamp-agent.uuid")
    assert again == first
    assert [mode_of(prepared.path / name) for name in names] == [0o600] * 3
    assert len(state_dir.secret(prepared)) == state_dir.SECRET_BYTES


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """With what to do."""
    (tmp_path / "file").write_text("")

    with pytest.raises(StateDirUnusable, match="--state-dir"):
        state_dir.prepare(tmp_path / "file" / "s")


def test_a_path_too_long_for_sockets_is_named(tmp_path: Path) -> None:
    """Before the router fails on it with a riddle."""
    with pytest.raises(StateDirUnusable, match="too long"):
        state_dir.prepare(tmp_path / ("x" * 110))


def test_one_process_holds_it(prepared: StateDir) -> None:
    """Until it gives it back."""
    held = state_dir.lock(prepared)
    with pytest.raises(StateDirUnusable, match="process"):
        state_dir.lock(prepared)

    held.release()

    state_dir.lock(prepared).release()


def test_a_killed_holder_is_noticed(prepared: StateDir) -> None:
    """Its router may still hold the port."""
    (prepared.path / "standalone.lock").write_text("12345")

    held = state_dir.lock(prepared)

    assert held.was_killed
    held.release()
    again = state_dir.lock(prepared)
    assert not again.was_killed
    again.release()


def test_a_long_log_is_put_aside(prepared: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """And only so many are kept."""
    monkeypatch.setattr(state_dir, "LOG_LIMIT_BYTES", 3)
    path = prepared.logs / "core.log"
    for number in range(6):
        path.write_text(f"run {number}")
        state_dir.os.close(state_dir.open_log(prepared, "core"))

    kept = sorted(path.name for path in prepared.logs.iterdir())

    assert kept == ["core.log", "core.log.1", "core.log.2", "core.log.3"]
    assert path.read_text() == ""
    assert (prepared.logs / "core.log.1").read_text() == "run 5"
