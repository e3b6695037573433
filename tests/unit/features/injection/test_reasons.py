"""Why a board is not online or not converged, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from iotronic_mec.features.board.model import Board
from iotronic_mec.features.enrolment_code.model import Code
from iotronic_mec.features.injection.model import MACHINE, Injection, reasons

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
URL = "ws://cloud.example/ws"
BOARD = Board(uuid="b", project="p", owner="o", name="kitchen", status="online", created_at=NOW)
HELD = Injection(
    board="b",
    plugin="p1",
    status="injected",
    onboot=False,
    digest="d",
    size=1,
    actual="d",
    created_at=NOW,
)
FRESH = Code(row=1, board="b", public_key=None, used_at=None)
USED = Code(row=1, board="b", public_key="k", used_at=NOW)


@pytest.mark.parametrize(
    ("changes", "code", "expected", "words"),
    [
        ({"status": "registered"}, FRESH, "never_enrolled", f"lightning-agent enrol CODE {URL}"),
        ({"status": "registered"}, USED, "code_gone", "enrolment-code create kitchen"),
        ({"status": "registered"}, None, "code_gone", "enrolment-code create kitchen"),
        ({"status": "offline"}, USED, "no_session", "lightning-agent run"),
        ({"level": "refuse"}, None, "sandbox_refused", "lightning-agent doctor"),
    ],
)
def test_board(changes: dict[str, Any], code: Code | None, expected: str, words: str) -> None:
    """Each state of a board that is not right gives its one reason with a cure."""
    (reason,) = reasons(replace(BOARD, **changes), [], code, URL)

    assert reason["code"] == expected
    assert words in reason["cure"]


def test_offline_since() -> None:
    """The reason says since when a board has no session."""
    (reason,) = reasons(replace(BOARD, status="offline", status_at=NOW), [], USED, URL)

    assert "since 2026-03-04 05:06:07 UTC" in reason["text"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": "pending", "actual": None}, "plugin_pending"),
        ({"status": "pending"}, "plugin_pending"),
        ({"actual": "old"}, "plugin_pending"),
        ({"running": True}, "plugin_not_running"),
        ({"status": "failed", "cause": {"code": "x", "message": "no space"}}, "plugin_failed"),
    ],
)
def test_plugin(changes: dict[str, Any], expected: str) -> None:
    """Each way an injection is not converged gives its reason."""
    (reason,) = reasons(BOARD, [replace(HELD, **changes)], None, URL)

    assert reason["code"] == expected
    assert "p1" in reason["text"]


@pytest.mark.parametrize("changes", [{}, {"status": "updated"}, {"running": True, "pid": 7}])
def test_all_is_well(changes: dict[str, Any]) -> None:
    """What is converged gives no reason."""
    found = reasons(BOARD, [replace(HELD, **changes)], USED, URL)

    assert found == []


def test_machine_is_whole() -> None:
    """Every state of an injection has a meaning and moves among the states."""
    followers = frozenset().union(*MACHINE.moves.values())

    assert followers <= MACHINE.meaning.keys()
    assert MACHINE.moves.keys() == MACHINE.meaning.keys()
