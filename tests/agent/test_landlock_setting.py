"""The board's owner may switch Landlock off; everything else holds without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightning_agent import conf
from lightning_agent.sandbox.hardening import landlock_abi
from lightning_agent.sandbox.probe import Findings, probe
from lightning_agent.supervisor.main import wants_landlock


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ('[sandbox]\nlandlock = "auto"\n', True),
        ('[sandbox]\nlandlock = "off"\n', False),
    ],
)
def test_agent_and_supervisor_agree(tmp_path: Path, text: str, expected: bool) -> None:
    """Both read the one file."""
    path = tmp_path / conf.FILE_NAME
    path.write_text(text)

    assert (conf.load(tmp_path).landlock == "auto") is expected
    assert wants_landlock(path) is expected


@pytest.mark.parametrize("value", ['"on"', "false", '["off"]'])
def test_another_word_is_refused(tmp_path: Path, value: str) -> None:
    """The agent names file, key and words; the supervisor keeps the stronger one."""
    path = tmp_path / conf.FILE_NAME
    path.write_text(f"[sandbox]\nlandlock = {value}\n")

    with pytest.raises(conf.ConfRefused, match="landlock must be one of auto, off"):
        conf.load(tmp_path)
    assert wants_landlock(path) is True


def _detail(findings: Findings) -> str:
    (found,) = [check.detail for check in findings.checks if check.name == "landlock"]
    return found


def test_switched_off_it_is_not_used() -> None:
    """Sandboxes of the same level are made without it, and doctor says so."""
    used, unused = probe(), probe(landlock=False)

    assert used.launcher is not None and unused.launcher is not None
    assert used.launcher.landlock == landlock_abi()
    assert (unused.level, unused.launcher.landlock) == (used.level, 0)
    assert _detail(unused) == "switched off in agent.toml"
    assert _detail(used) != _detail(unused)
