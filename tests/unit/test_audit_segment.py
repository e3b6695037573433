"""Files of sealed segments: what is written is read again, what was changed is found."""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from typing import IO, Any

import pytest

from iotronic_mec.audit_chain import GENESIS, REMOVED, Finding, Head, row_hash, verify
from iotronic_mec.audit_segment import Damaged, Segment, Source, iter_all, read, write

Rows = list[dict[str, Any]]


def chain_of(length: int, user: str = "u") -> Rows:
    """Return rows whose hashes are right."""
    rows: Rows = []
    previous = GENESIS
    for sequence in range(1, length + 1):
        details = {"text": 'é\U0001f600\n"', "n": [1, 2.5e-9, None]}
        row: dict[str, Any] = {"sequence": sequence, "user": user, "details": details}
        row["previous"] = previous
        previous = row["hash"] = row_hash(row, previous)
        rows.append(row)
    return rows


class Sealed:
    """Segments and their files in memory, and the rows that follow."""

    def __init__(self, rows: Rows, *lengths: int) -> None:
        self.files: dict[str, bytes] = {}
        self.segments: list[Segment] = []
        self.rows = rows
        for length in lengths:
            self.seal(length)

    def seal(self, length: int) -> None:
        """Put the oldest rows into a file."""
        rows, self.rows = self.rows[:length], self.rows[length:]
        planned = Segment(
            first=rows[0]["sequence"],
            last=rows[-1]["sequence"],
            previous=rows[0]["previous"],
            hash=rows[-1]["hash"],
            digest="",
            size=0,
        )
        content = b"".join(write(rows, planned))
        digest = hashlib.sha256(content).hexdigest()
        self.segments.append(replace(planned, digest=digest, size=len(content)))
        self.files[planned.name] = content

    def change(self, index: int, how: Callable[[bytes], bytes]) -> None:
        """Change a file."""
        name = self.segments[index].name
        self.files[name] = how(self.files[name])

    def opened(self, segment: Segment) -> IO[bytes] | None:
        """Open a file."""
        content = self.files.get(segment.name)
        return None if content is None else io.BytesIO(content)

    def found(self, *expected: Head, after: Head | None = None) -> list[str]:
        """Return what a check finds."""
        findings: list[Finding] = []
        source = Source(
            segments=lambda last: [each for each in self.segments if each.last > last],
            rows=lambda last: [row for row in self.rows if row["sequence"] > last],
            opened=self.opened,
        )
        rows = iter_all(source, findings, after.sequence if after else 0)
        verdict = verify(rows, after=after, expected=expected)
        return [finding.text for finding in (*findings, *verdict.findings)]


@pytest.fixture
def sealed() -> Sealed:
    """Give a chain of ten rows, two files of four and two rows after them."""
    return Sealed(chain_of(10), 4, 4)


def test_there_and_back() -> None:
    """Rows come out of a file as they went in; the same rows make the same bytes."""
    one, two = Sealed(chain_of(5), 5), Sealed(chain_of(5), 5)

    [content] = one.files.values()

    assert list(read(io.BytesIO(content))) == chain_of(5)
    assert one.files == two.files
    assert one.segments == two.segments


def test_whole(sealed: Sealed) -> None:
    """Control: files and rows are one chain, and every head of it is found again."""
    heads = [Head(sequence=row["sequence"], hash=row["hash"]) for row in chain_of(10)]

    assert sealed.found(*heads) == []
    assert sealed.found(after=heads[2]) == []


def without(row: int) -> Callable[[bytes], bytes]:
    """Return what takes a line out of a file."""

    def change(content: bytes) -> bytes:
        lines = gzip.decompress(content).splitlines(keepends=True)
        del lines[row]
        return gzip.compress(b"".join(lines))

    return change


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[:-20],
    "other bytes, same rows": lambda content: gzip.compress(gzip.decompress(content)),
    "a changed row": lambda content: gzip.compress(
        gzip.decompress(content).replace(b'"user":"u"', b'"user":"v"', 1)
    ),
    "a missing row": without(2),
    "a missing last row": without(-1),
    "another header": lambda content: gzip.compress(
        gzip.decompress(content).replace(b'"rows":4', b'"rows":3', 1)
    ),
    "no header": without(0),
    "nothing": lambda content: b"",
    "no gzip": lambda content: b"hello",
}


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_is_found(sealed: Sealed, index: int, change: str) -> None:
    """Whatever is done to a file, it is told which rows are concerned."""
    sealed.change(index, CHANGES[change])

    segment = sealed.segments[index]
    assert f"the file of rows {segment.first} to {segment.last} was changed" in sealed.found()


@pytest.mark.parametrize("index", [0, 1])
def test_a_removed_file_is_found(sealed: Sealed, index: int) -> None:
    """A segment whose file is gone is told, as are its rows."""
    segment = sealed.segments[index]
    del sealed.files[segment.name]

    assert sealed.found() == [
        f"there is no file of rows {segment.first} to {segment.last}",
        f"missing: rows {segment.first} to {segment.last}",
    ]


@pytest.mark.parametrize("index", [0, 1])
def test_a_removed_segment_is_found(sealed: Sealed, index: int) -> None:
    """A segment that was taken out of the list leaves a gap."""
    segment = sealed.segments.pop(index)

    assert sealed.found() == [f"missing: rows {segment.first} to {segment.last}"]


def test_swapped_files_are_found(sealed: Sealed) -> None:
    """Two files that were swapped are two changed ones."""
    one, two = (segment.name for segment in sealed.segments)
    sealed.files[one], sealed.files[two] = sealed.files[two], sealed.files[one]

    found = sealed.found()

    assert "the file of rows 1 to 4 was changed" in found
    assert "the file of rows 5 to 8 was changed" in found


def test_a_segment_written_anew_does_not_lead_on(sealed: Sealed) -> None:
    """A segment that was replaced with list and file is no part of the chain."""
    other = Sealed(chain_of(4, user="v"), 4)
    sealed.segments[0] = other.segments[0]
    sealed.files |= other.files

    assert sealed.found() == ["row 5 does not follow from row 4: one was replaced"]


def test_all_written_anew_is_found_by_a_kept_head(sealed: Sealed) -> None:
    """A chain signed anew, files and all, is whole; a head kept before shows it."""
    kept = chain_of(10)[2]
    forged = Sealed(chain_of(10, user="v"), 4, 4)

    assert forged.found() == []
    assert forged.found(Head(sequence=3, hash=kept["hash"])) == [
        "row 3 is not the one known before"
    ]


def test_sealed_while_it_is_read(sealed: Sealed) -> None:
    """Rows that go into a file between two pages are looked for there."""
    before = sealed.rows
    late = Sealed(chain_of(12), 4, 4)
    taken = iter([late.rows[:1]])

    def pages(last: int) -> Rows:
        for page in taken:
            late.seal(3)
            return [*page, *late.rows]
        return [row for row in late.rows if row["sequence"] > last]

    findings: list[Finding] = []
    source = Source(
        segments=lambda last: [each for each in late.segments if each.last > last],
        rows=pages,
        opened=late.opened,
    )
    rows = [row["sequence"] for row in iter_all(source, findings)]

    assert len(before) == 2
    assert rows == list(range(1, 13))
    assert findings == []


def test_a_cloud_that_repeats_itself_is_not_followed(sealed: Sealed) -> None:
    """A gap with the same segments named again and again is a finding, not a check without end."""
    asked: list[int] = []

    def always(last: int) -> list[Segment]:
        asked.append(last)
        assert len(asked) < 10
        return sealed.segments

    gap = [row for row in sealed.rows if row["sequence"] > 9]
    findings: list[Finding] = []
    source = Source(segments=always, rows=lambda _: gap, opened=sealed.opened)

    verdict = verify(iter_all(source, findings))

    assert [finding.kind for finding in verdict.findings] == [REMOVED]


@pytest.mark.parametrize("size", [0, 1, 30, 60, 100])
def test_half_files_end_in_an_error(size: int) -> None:
    """A file that was cut anywhere is damaged, never short."""
    [content] = Sealed(chain_of(4), 4).files.values()

    with pytest.raises(Damaged):
        list(read(io.BytesIO(content[:size])))
