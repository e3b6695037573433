"""Errors as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from iotronic_mec.cli.failure import CURES, describe
from iotronic_mec.sdk import Error


def test_whole_error() -> None:
    """Message, code with the cause's, cure, request and request id, in this order."""
    error = Error(
        "too slow",
        code="iot.operation.timed_out",
        status=504,
        details={"request": "r", "cause": {"code": "plugin_timeout", "message": "too slow"}},
        request_id="req-1",
    )

    assert list(describe(error)) == [
        "error: too slow",
        "  code: iot.operation.timed_out (plugin_timeout)",
        f"  cure: {CURES['plugin_timeout']}",
        "  request: r",
        "  request id: req-1",
    ]


def test_cure_of_the_cloud_comes_first() -> None:
    """What the cloud or the board says to do is told, not what is known here."""
    error = Error("no", code="iot.board.offline", details={"cause": {"cure": "plug it in"}})

    assert "  cure: plug it in" in list(describe(error))


def test_unknown_error_has_no_cure() -> None:
    """A code not known here is shown without advice."""
    assert list(describe(Error("odd", code="iot.new"))) == ["error: odd", "  code: iot.new"]


@pytest.mark.parametrize("code", [code for code in CURES if code.startswith("iot.")])
def test_codes_with_a_cure_exist(repository: Path, code: str) -> None:
    """No cure stands for an error that nothing raises any more."""
    sources = (repository / "iotronic_mec").rglob("*.py")

    assert any(f'code = "{code}"' in path.read_text("utf-8") for path in sources)
