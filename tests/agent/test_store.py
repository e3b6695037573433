"""What the agent remembers on disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lightning_agent.errors import StorageFailed
from lightning_agent.state import files, identity
from lightning_agent.state.disk import DirectDisk
from lightning_agent.state.store import Ended, Store
from tests.agent.stand_ins import a_plugin, result_of


class Killed(BaseException):
    """Stands for the end of the process."""


def test_desired_state_is_there_after_a_restart(tmp_path: Path) -> None:
    """Plugins, their endings and the retry window survive."""
    plugin = a_plugin(running=True, parameters={"a": [1]})
    store = Store(tmp_path, DirectDisk())
    ended = Ended(digest=plugin.digest, cause="c")
    result_of(store.set_desired(plugin))
    result_of(store.set_ended(plugin.plugin, ended, keep_running=True))
    result_of(store.set_retry_window(7.5))
    result_of(store.set_supervisor("1 now"))

    again = Store(tmp_path, DirectDisk())

    found = again.find_desired(plugin.plugin)
    assert found is not None
    assert (found.digest, found.running, found.parameters) == (plugin.digest, True, {"a": [1]})
    assert again.ended == {plugin.plugin: ended}
    assert (again.retry_window_s, again.supervisor) == (7.5, "1 now")


def test_tokens_are_not_written(tmp_path: Path) -> None:
    """The secret that opens a bundle stays in memory."""
    store = Store(tmp_path, DirectDisk())
    plugin = a_plugin(token="a-secret-token")

    result_of(store.set_desired(plugin))

    assert store.find_desired(plugin.plugin) == plugin
    assert b"a-secret-token" not in (tmp_path / "plugins.json").read_bytes()


def test_damaged_file_counts_as_none(tmp_path: Path) -> None:
    """A file somebody broke is logged and the cloud asked anew."""
    (tmp_path / "plugins.json").write_text('{"desired": [{"plugin": 1}]}')
    (tmp_path / "session.json").write_text("[")

    store = Store(tmp_path, DirectDisk())

    assert store.desired == {}
    assert store.retry_window_s is None


def test_starting_again_forgets_how_it_ended(tmp_path: Path) -> None:
    """A plugin that runs again has no ending to report."""
    plugin = a_plugin()
    store = Store(tmp_path, DirectDisk())
    result_of(store.set_desired(plugin))
    result_of(store.set_ended(plugin.plugin, Ended(digest="d", cause="c"), keep_running=False))

    result_of(store.set_running(plugin.plugin, True, {"x": 1}))

    found = store.find_desired(plugin.plugin)
    assert store.ended == {}
    assert found is not None
    assert (found.running, found.parameters) == (True, {"x": 1})


@pytest.mark.parametrize("step", ["fsync", "replace", "sync_directory"])
def test_kill_at_any_step_leaves_old_or_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whatever dies while a file is replaced, it holds one whole version."""
    path = tmp_path / "file"
    files.write_atomic(path, b"old")

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        _break(patch, step, die)
        files.write_atomic(path, b"new")

    assert path.read_bytes() in (b"old", b"new")
    files.write_atomic(path, b"newer")
    assert path.read_bytes() == b"newer"


def _break(patch: pytest.MonkeyPatch, step: str, die: Callable[..., None]) -> None:
    places: dict[str, tuple[Any, str]] = {
        "fsync": (os, "fsync"),
        "replace": (Path, "replace"),
        "sync_directory": (files, "sync_directory"),
    }
    patch.setattr(*places[step], die)


def test_key_is_private_and_stays(tmp_path: Path) -> None:
    """The key is made once, readable by its owner alone."""
    first = identity.BoardKey.load_or_make(tmp_path)

    second = identity.BoardKey.load_or_make(tmp_path)

    mode = stat.S_IMODE((tmp_path / "agent.key").stat().st_mode)
    assert first.public_key == second.public_key
    assert mode == 0o600


def test_damaged_key_is_named(tmp_path: Path) -> None:
    """A broken key is never replaced silently: it is the board's identity."""
    (tmp_path / "agent.key").write_text("no key")

    with pytest.raises(StorageFailed, match=r"agent\.key"):
        identity.BoardKey.load_or_make(tmp_path)

    assert (tmp_path / "agent.key").read_text() == "no key"


@pytest.mark.parametrize("text", ["{", "[]", '{"board": "x"}', '{"board": "../../etc"}'])
def test_damaged_identity_is_named(tmp_path: Path, text: str) -> None:
    """A broken identity is refused with the file's name."""
    (tmp_path / "identity.json").write_text(text)

    with pytest.raises(StorageFailed, match=r"identity\.json"):
        identity.find_identity(tmp_path)


def test_state_directory_is_closed_to_others(tmp_path: Path) -> None:
    """The state directory is made with mode 0700, and closed if it was open."""
    state = tmp_path / "a" / "state"
    state.mkdir(parents=True, mode=0o755)

    files.make_private_directory(state)

    assert stat.S_IMODE(state.stat().st_mode) == 0o700
