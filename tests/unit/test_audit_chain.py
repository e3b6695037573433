"""The audit's hash chain: what a check finds, and what it leaves alone."""

from __future__ import annotations

import copy
import doctest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotronic_mec import audit_chain
from iotronic_mec.audit_chain import (
    BROKEN_LINK,
    CHANGED,
    GENESIS,
    REMOVED,
    REORDERED,
    Head,
    parse_heads,
    row_hash,
    verify,
)

KNOWN_HASH = "9c84768e7b872443bf790450339057c7a9b19b5f2307f31bbb5159ad31c3e980"


def make_row(sequence: int, **fields: Any) -> dict[str, Any]:
    """Build a row without its hash."""
    return {
        "sequence": sequence,
        "time": "2026-01-01T00:00:00+00:00",
        "project": "p",
        "user": "u",
        "action": "board.create",
        "target_kind": "board",
        "target": f"board-{sequence}",
        "outcome": "success",
        "reason": None,
        "request_id": f"req-{sequence}",
        "details": {"name": "größe"},
        **fields,
    }


def make_chain(length: int) -> list[dict[str, Any]]:
    """Build a whole chain, as the cloud would write it."""
    rows: list[dict[str, Any]] = []
    previous = GENESIS
    for sequence in range(1, length + 1):
        row = make_row(sequence)
        row["hash"] = row_hash(row, previous)
        row["previous"] = previous
        previous = row["hash"]
        rows.append(row)
    return rows


def kinds(rows: list[dict[str, Any]], **options: Any) -> list[tuple[str, int, int]]:
    """Return what a check finds, as kind and range."""
    return [(f.kind, f.first, f.last) for f in verify(rows, **options).findings]


def test_hash_is_stable() -> None:
    """The recipe gives the same hash in every release."""
    row = make_row(1)

    found = row_hash(row, GENESIS)

    assert found == KNOWN_HASH


def test_hash_ignores_order_of_fields_links_and_own_hash() -> None:
    """Neither the order of fields nor what stands outside the hash matters."""
    row = make_row(1)
    other = {"hash": "x", "links": [], **dict(reversed(row.items()))}

    assert row_hash(row, GENESIS) == row_hash(other, GENESIS)


def test_whole_chain_is_ok() -> None:
    """An untouched chain gives no finding and its head."""
    rows = make_chain(5)

    verdict = verify(rows)

    assert verdict.ok
    assert verdict.rows == 5
    assert verdict.head == Head(sequence=5, hash=rows[4]["hash"])


def test_no_rows_are_ok() -> None:
    """An empty chain is a chain."""
    verdict = verify([])

    assert verdict.ok
    assert verdict.head is None


@given(
    field=st.sampled_from(sorted(make_row(1))), place=st.integers(0, 4), value=st.text(max_size=8)
)
def test_any_changed_field_is_found(field: str, place: int, value: str) -> None:
    """Whatever field of whatever row is changed, something is found."""
    rows = make_chain(5)
    rows[place][field] = f"{value}-changed"

    assert not verify(rows).ok


@given(place=st.integers(0, 3))
def test_any_removed_row_inside_is_found(place: int) -> None:
    """A missing row is named, wherever it was."""
    rows = make_chain(5)
    del rows[place]

    assert kinds(rows) == [(REMOVED, place + 1, place + 1)]


def test_removed_range_is_named() -> None:
    """Neighbouring missing rows make one finding."""
    rows = make_chain(6)
    del rows[2:4]

    assert kinds(rows) == [(REMOVED, 3, 4)]


def test_changed_row_with_a_new_hash_breaks_the_link() -> None:
    """A row hashed anew no longer fits to the one behind it."""
    rows = make_chain(4)
    rows[1]["user"] = "someone else"
    rows[1]["hash"] = row_hash(rows[1], rows[1]["previous"])

    assert kinds(rows) == [(BROKEN_LINK, 3, 3)]


def test_reordered_rows_are_found() -> None:
    """Two rows in the wrong order are found."""
    rows = make_chain(4)
    rows[1], rows[2] = rows[2], rows[1]

    found = kinds(rows)

    assert (REORDERED, 2, 2) in found


def test_repeated_row_is_found() -> None:
    """The same row twice is found."""
    rows = make_chain(3)

    assert kinds([*rows, copy.deepcopy(rows[2])]) == [(REORDERED, 3, 3)]


def test_cut_end_is_found_with_a_kept_head() -> None:
    """A head kept from before shows that the end is missing."""
    rows = make_chain(5)
    head = verify(rows).head

    assert kinds(rows[:3], expected=head) == [(REMOVED, 4, 5)]


def test_chain_written_anew_is_found_with_a_kept_head() -> None:
    """A chain forged as a whole does not have the head kept from before."""
    head = Head(sequence=3, hash="f" * 64)

    assert kinds(make_chain(5), expected=head) == [(CHANGED, 3, 3)]


def test_several_kept_heads_are_all_looked_for() -> None:
    """Each kept head is found again, or said to be missing; the empty chain's says nothing."""
    rows = make_chain(5)
    kept = [verify(rows[:at]).head or Head(sequence=0, hash=GENESIS) for at in (0, 2, 5)]
    other = Head(sequence=3, hash="f" * 64)

    assert kinds(rows, expected=kept) == []
    assert kinds(rows[:3], expected=kept) == [(REMOVED, 4, 5)]
    assert kinds(rows, expected=[*kept, other]) == [(CHANGED, 3, 3)]


def test_heads_are_read_back() -> None:
    """A head is text and back; a file of heads may hold times and remarks."""
    head = Head(sequence=12, hash="a" * 64)
    text = f"# heads\n\n2026-01-01T00:00:00+00:00 {head}\n{head}\n"

    assert Head.parse(str(head)) == head
    assert parse_heads(text) == (head, head)


@pytest.mark.parametrize("text", ["", "12", "12:ab", "x:" + "a" * 64, "12:" + "A" * 64, "# 1"])
def test_what_is_no_head_is_refused(text: str) -> None:
    """Anything else is no head, and a file without one is no file of heads."""
    with pytest.raises(ValueError, match=r"SHA256|no head"):
        parse_heads(text)


def test_check_can_go_on_from_a_head() -> None:
    """The second half is checked against the head of the first."""
    rows = make_chain(6)
    head = verify(rows[:3]).head

    assert verify(rows[3:], after=head, expected=head).ok


def test_own_rows_may_have_gaps() -> None:
    """A project's selection has gaps, and still shows a changed row."""
    rows = make_chain(6)[::2]
    rows[1]["user"] = "someone else"

    assert kinds(rows, own_rows=True) == [(CHANGED, 3, 3)]


@pytest.mark.parametrize("field", ["sequence", "previous", "hash"])
def test_row_without_a_field_of_the_chain_is_found(field: str) -> None:
    """A row that lacks what makes the chain counts as changed."""
    rows = make_chain(3)
    del rows[2][field]

    assert kinds(rows) == [(CHANGED, 3, 3)]


def test_example_of_the_docstring() -> None:
    """The example in the documentation is true."""
    assert doctest.testmod(audit_chain).failed == 0
