"""The acceptance ledger says nothing that is not so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import ledger

CRITERIA = {"A": 12, "B": 14, "C": 10}
"""Milestone begun → how many criteria it has."""

IDS = [f"{letter}{number + 1}" for letter, count in CRITERIA.items() for number in range(count)]

GREEN_TEST = "| A1 | it works | green | `tests/test_a.py::test_works` | 2026-11-21: passed |"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a checkout with one test, one tox environment and one command."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_a.py").write_text(
        "def test_works(): ...\nclass TestIt:\n    def test_too(self): ...\n"
    )
    (tmp_path / "tox.ini").write_text("[tox]\nenvlist = lint\n[testenv:demo]\n")
    (tmp_path / "run").touch(mode=0o755)
    (tmp_path / "notes.txt").touch(mode=0o644)
    return tmp_path


def test_the_ledger_is_true(repository: Path) -> None:
    """Every green line names tests and commands that exist."""
    entries = ledger.read((repository / "docs/acceptance.md").read_text(encoding="utf-8"))

    assert list(ledger.faults(repository, entries, IDS)) == []


@pytest.mark.parametrize(
    "line",
    [
        GREEN_TEST,
        GREEN_TEST.replace("test_works", "TestIt::test_too"),
        GREEN_TEST.replace("test_works", "test_works[a-b]"),
        "| A1 | it works | green | `tox` | 2026-11-21 |",
        "| A1 | it works | green | `tox -e lint` `tox -e demo -- --once` | 2026-11-21 |",
        "| A1 | it works | green | `run --fast` | 2026-11-21: 3 s |",
        "| A1 | it works | open | `tests/test_b.py::test_later` | |",
        "| A1 | it works | cannot, because the board has no such device | | |",
    ],
)
def test_a_true_line_is_accepted(checkout: Path, line: str) -> None:
    """What exists is found; what is open may name tests that are still to come."""
    assert list(ledger.faults(checkout, ledger.read(line), ["A1"])) == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (GREEN_TEST.replace("test_a", "test_b"), "no file tests/test_b.py"),
        (GREEN_TEST.replace("test_works", "test_never"), "no test_never in tests/test_a.py"),
        (GREEN_TEST.replace("test_works", "TestIt::test_no"), "no TestIt::test_no"),
        (GREEN_TEST.replace("::test_works", ""), "names a file, not a test"),
        (GREEN_TEST.replace("2026-11-21: ", ""), "green without a dated result"),
        ("| A1 | it works | green | by hand | 2026-11-21 |", "green without a test or a command"),
        ("| A1 | it works | green | `tox -e fuzz` | 2026-11-21 |", "no tox environment fuzz"),
        ("| A1 | it works | green | `notes.txt` | 2026-11-21 |", "no command notes.txt"),
        ("| A1 | it works | nearly | `tox` | 2026-11-21 |", "'nearly' is no state"),
        ("| A1 | it works | cannot, because no | | |", "without a reason"),
        ("| A2 | it works | open | | |", "the ids are A2; wanted A1"),
    ],
)
def test_a_planted_untruth_is_found(checkout: Path, line: str, fault: str) -> None:
    """Each way to be green without proof is refused."""
    found = list(ledger.faults(checkout, ledger.read(line), ["A1"]))

    assert any(fault in each for each in found), found


def test_a_line_with_a_missing_cell_is_refused() -> None:
    """A row that cannot be read is an error, never passed over."""
    with pytest.raises(ValueError, match="A1 has 4 cells"):
        ledger.read("| A1 | it works | open | |")
