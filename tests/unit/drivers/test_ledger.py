"""Ledger drivers: one body of tests for all of them, then what is the file's own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from iotronic_mec.audit_chain import Head, parse_heads
from iotronic_mec.drivers.ledger.base import Ledger, LedgerUnavailable
from iotronic_mec.drivers.ledger.file import FileLedger
from iotronic_mec.drivers.load import NoSuchDriver, load_ledger

AT = datetime(2030, 1, 2, tzinfo=UTC)
FIRST = Head(sequence=1, hash="a" * 64)
SECOND = Head(sequence=2, hash="b" * 64)


@pytest.fixture(params=["fake", "file"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    """Return an empty ledger, of each driver in turn."""
    made = load_ledger(request.param, tmp_path / "heads")
    assert made is not None
    return made


def test_nothing_is_in_an_empty_ledger(ledger: Ledger) -> None:
    """Before the first head there is none."""
    assert ledger.newest() is None


def test_the_newest_head_comes_back(ledger: Ledger) -> None:
    """What was kept last is what is told."""
    ledger.append(FIRST, AT)
    ledger.append(SECOND, AT)

    assert ledger.newest() == SECOND


def test_an_unknown_driver_is_named() -> None:
    """A name that no entry point has is said; ``none`` is no ledger at all."""
    with pytest.raises(NoSuchDriver, match="no ledger driver named blockchain"):
        load_ledger("blockchain", Path("heads"))
    assert load_ledger("none", Path("heads")) is None


def test_a_file_holds_all_heads_for_the_check(tmp_path: Path) -> None:
    """Lines are only added, and the command line reads them as they are."""
    path = tmp_path / "heads"
    FileLedger(path).append(FIRST, AT)
    FileLedger(path).append(SECOND, AT)

    assert path.read_text().splitlines()[0] == f"2030-01-02T00:00:00+00:00 {FIRST}"
    assert parse_heads(path.read_text()) == (FIRST, SECOND)


def test_a_line_cut_off_does_not_swallow_the_next(tmp_path: Path) -> None:
    """After a full disk the next head stands on a line of its own."""
    path = tmp_path / "heads"
    FileLedger(path).append(FIRST, AT)
    with path.open("a") as file:
        file.write("2030-01-02T00")

    FileLedger(path).append(SECOND, AT)

    assert FileLedger(path).newest() == SECOND
    assert path.read_text().splitlines()[-1].endswith(str(SECOND))


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """The head is not lost: the caller knows, and offers it again."""
    with pytest.raises(LedgerUnavailable, match="cannot be written"):
        FileLedger(tmp_path / "absent" / "heads").append(FIRST, AT)
