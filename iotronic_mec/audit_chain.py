"""The hash chain of the audit: how a row is hashed, and how a chain is checked.

Used by the cloud, which writes the chain, and by clients, which check it
without trusting the cloud; standard library only, so that both can import it.
A row's hash covers all its fields and the hash of the row before, so a row
inside the chain cannot be changed, removed or moved without a trace. What a
chain alone cannot show is a cut at its end, or that all of it was written
anew: keep the head of an earlier check and hand it in.

    verdict = verify(rows)
    verdict.ok, verdict.head     # keep the head for the next check
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

GENESIS = "0" * 64
"""What stands as ``previous`` in the first row, sequence 1."""

NOT_HASHED = frozenset({"hash", "links"})
"""Fields outside the hash: the hash itself, and the addresses of the answer."""

_HEAD = re.compile(r"[0-9]{1,18}:[0-9a-f]{64}")

CHANGED = "changed"
"""The row's contents do not give the row's hash."""
REMOVED = "removed"
"""Rows are missing here; ``first`` and ``last`` say which."""
REORDERED = "reordered"
"""The row stands after one with the same or a higher sequence."""
BROKEN_LINK = "broken_link"
"""The row does not name the hash of the row before: one of the two was replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last row of a checked chain, to be kept for the next check."""

    sequence: int
    hash: str

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``<sequence>:<sha256>``.

        :raises ValueError: it is something else

        >>> Head.parse("3:" + "a" * 64).sequence
        3
        """
        if _HEAD.fullmatch(text) is None:
            raise ValueError(f"{text[:80]!r} is not SEQUENCE:SHA256")
        sequence, _, digest = text.partition(":")
        return cls(sequence=int(sequence), hash=digest)


def parse_heads(text: str) -> tuple[Head, ...]:
    """Read a kept file of heads: one a line, at its end, after whatever else stands there.

    Empty lines and lines that begin with ``#`` are skipped.

    :raises ValueError: a line ends in something else, or there is no head
    """
    lines = (line.split() for line in text.splitlines() if not line.lstrip().startswith("#"))
    heads = tuple(Head.parse(words[-1]) for words in lines if words)
    if not heads:
        raise ValueError("it holds no head")
    return heads


def read_heads(text: str) -> tuple[Head, ...]:
    """Read ``SEQUENCE:SHA256``, or the file of heads that is named so.

    :raises ValueError: it is neither
    """
    try:
        return (Head.parse(text),)
    except ValueError as error:
        path = Path(text)
        if not path.is_file():
            raise ValueError(f"{error}, and there is no such file") from error
    try:
        return parse_heads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{text}: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong with a chain.

    ``kind`` is one of the constants above; ``first`` and ``last`` are the
    sequences concerned, equal for a single row.
    """

    kind: str
    first: int
    last: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a check has found; ``head`` is ``None`` when there was no row."""

    rows: int
    findings: tuple[Finding, ...]
    head: Head | None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def canonical(row: Mapping[str, Any], previous: str) -> bytes:
    """Return the bytes that are hashed: JSON with sorted keys and no spaces.

    >>> canonical({"sequence": 1, "user": "é", "hash": "x"}, "00")
    b'{"previous":"00","sequence":1,"user":"\\xc3\\xa9"}'
    """
    body = {key: value for key, value in row.items() if key not in NOT_HASHED}
    body["previous"] = previous
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def row_hash(row: Mapping[str, Any], previous: str) -> str:
    """Return the hash of a row: SHA-256 of its canonical form, in hexadecimal.

    :param row: JSON-ready fields, exactly as the API shows them; ``hash`` and
        ``previous`` may be there or not
    :param previous: hash of the row before, :data:`GENESIS` for the first
    """
    return hashlib.sha256(canonical(row, previous)).hexdigest()


def verify(
    rows: Iterable[Mapping[str, Any]],
    *,
    after: Head | None = None,
    expected: Head | Iterable[Head] | None = None,
    own_rows: bool = False,
) -> Verdict:
    """Check rows in the order given.

    :param after: row before the first one given; ``None``: the chain begins here
    :param expected: heads kept elsewhere; each must be found again, which a
        chain that was cut, or signed anew, cannot do
    :param own_rows: the rows are a selection (what one project may read), so
        that gaps are no findings; changed and reordered ones still are
    """
    if expected is None:
        expected = ()
    elif isinstance(expected, Head):
        expected = (expected,)
    walk = _Walk(after=after, expected=expected, own_rows=own_rows)
    for row in rows:
        walk.step(row)
    return walk.end()


class _Walk:
    """One pass over a chain."""

    def __init__(self, *, after: Head | None, expected: Iterable[Head], own_rows: bool) -> None:
        self._last = after or Head(sequence=0, hash=GENESIS)
        self._expected: dict[int, set[str]] = {}
        for known in expected:
            # the head of a chain without rows says nothing of those that came later
            if known.sequence > 0 and known != after:
                self._expected.setdefault(known.sequence, set()).add(known.hash)
        self._own_rows = own_rows
        self._rows = 0
        self._findings: list[Finding] = []

    def step(self, row: Mapping[str, Any]) -> None:
        """Check one more row."""
        self._rows += 1
        sequence, previous, stated = row.get("sequence"), row.get("previous"), row.get("hash")
        if (
            not isinstance(sequence, int)
            or not isinstance(previous, str)
            or not isinstance(stated, str)
        ):
            place = self._last.sequence + 1
            self._add(CHANGED, place, place, f"the row at {place} lacks a field of the chain")
            return
        if row_hash(row, previous) != stated:
            self._add(CHANGED, sequence, sequence, f"row {sequence} was changed")
        if sequence <= self._last.sequence:
            text = f"row {sequence} stands after row {self._last.sequence}"
            self._add(REORDERED, sequence, sequence, text)
            return
        self._check_link(sequence, previous)
        self._last = Head(sequence=sequence, hash=stated)
        known = self._expected.pop(sequence, None)
        if known is not None and known != {stated}:
            text = f"row {sequence} is not the one known before"
            self._add(CHANGED, sequence, sequence, text)

    def end(self) -> Verdict:
        """Return what was found in all rows."""
        beyond = [number for number in self._expected if number > self._last.sequence]
        for number in sorted(self._expected.keys() - set(beyond)):
            self._add(CHANGED, number, number, f"row {number} is not the one known before")
        if beyond:
            first, last = self._last.sequence + 1, max(beyond)
            self._add(REMOVED, first, last, f"missing: {_span(first, last)}")
        head = self._last if self._last.sequence else None
        return Verdict(rows=self._rows, findings=tuple(self._findings), head=head)

    def _check_link(self, sequence: int, previous: str) -> None:
        if self._own_rows:
            return
        before = self._last.sequence
        if sequence > before + 1:
            first, last = before + 1, sequence - 1
            self._add(REMOVED, first, last, f"missing: {_span(first, last)}")
        elif previous != self._last.hash:
            text = f"row {sequence} does not follow from row {before}: one was replaced"
            self._add(BROKEN_LINK, sequence, sequence, text)

    def _add(self, kind: str, first: int, last: int, text: str) -> None:
        self._findings.append(Finding(kind=kind, first=first, last=last, text=text))


def _span(first: int, last: int) -> str:
    return f"row {first}" if first == last else f"rows {first} to {last}"
