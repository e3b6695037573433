"""The owner chooses what the log lines of the board look like."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightning_agent import conf
from lightning_agent.supervisor.main import log_format


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", "text"), ('[agent]\nlog_format = "json"\n', "json"), ("[device]\nallow = []\n", "text")],
)
def test_agent_and_supervisor_agree(tmp_path: Path, text: str, expected: str) -> None:
    """Both read the one file."""
    path = tmp_path / conf.FILE_NAME
    path.write_text(text)

    assert conf.load(tmp_path).log_format == expected
    assert log_format(path) == expected


@pytest.mark.parametrize("value", ['"xml"', "1", '["json"]', '"json\\n"'])
def test_another_format_is_refused(tmp_path: Path, value: str) -> None:
    """The agent names file, key and words; the supervisor, which runs already, goes on."""
    path = tmp_path / conf.FILE_NAME
    path.write_text(f"[agent]\nlog_format = {value}\n")

    with pytest.raises(conf.ConfRefused, match="log_format must be one of text, json"):
        conf.load(tmp_path)
    assert log_format(path) == "text"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """The supervisor writes text then."""
    (tmp_path / conf.FILE_NAME).write_text("[agent")

    assert log_format(tmp_path / conf.FILE_NAME) == "text"
    assert log_format(tmp_path / "none") == "text"
