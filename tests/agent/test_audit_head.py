"""The board as a witness of the cloud's audit."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from lightning_agent.state.audit_head import HEAD_FILE, AuditHead
from lightning_agent.state.disk import DirectDisk
from tests.agent.stand_ins import result_of

BOARD = "33333333-3333-4333-8333-333333333333"
THIRD = f"3:{'a' * 64}"
FIFTH = f"5:{'b' * 64}"


def opened(folder: Path, board: str = BOARD) -> AuditHead:
    """Return what a start of the agent reads."""
    return AuditHead(folder, DirectDisk(), board)


def test_the_newest_head_survives_a_restart(tmp_path: Path) -> None:
    """The head moves on with each join, also over restarts."""
    for head in (None, THIRD, THIRD, FIFTH):
        result_of(opened(tmp_path).told(head))

    assert opened(tmp_path).newest == FIFTH
    assert opened(tmp_path).contradicted_by is None


@pytest.mark.parametrize("later", [THIRD, f"5:{'c' * 64}"])
def test_a_head_that_went_back_is_logged_and_not_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, later: str
) -> None:
    """An older head, or another one of the same length, contradicts what the board knows."""
    result_of(opened(tmp_path).told(FIFTH))

    with caplog.at_level(logging.ERROR):
        result_of(opened(tmp_path).told(later))

    assert "went back" in caplog.text
    assert opened(tmp_path).newest == FIFTH
    assert opened(tmp_path).contradicted_by == later


def test_another_enrolment_begins_anew(tmp_path: Path) -> None:
    """The head of another cloud says nothing of this one's."""
    result_of(opened(tmp_path).told(FIFTH))

    assert opened(tmp_path, BOARD.replace("3", "4")).newest is None


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"board": BOARD, "head": "x"})])
def test_a_damaged_file_counts_as_none(tmp_path: Path, content: str) -> None:
    """The board does without, and learns a head at the next join."""
    (tmp_path / HEAD_FILE).write_text(content)

    head = opened(tmp_path)

    assert head.newest is None
    result_of(head.told(THIRD))
    assert opened(tmp_path).newest == THIRD
