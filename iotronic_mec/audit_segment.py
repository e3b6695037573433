"""Sealed segments of the audit: old rows of the chain in files of their own.

Used by the cloud, which seals, and by clients, which check without trusting it;
standard library only. A file is gzip over lines of JSON: one that says what is in it,
then the rows exactly as the API shows them, so that their hashes can be computed anew::

    {"format":1,"first":1,"last":900,"rows":900,"previous":"00…","hash":"5c…"}
    {"sequence":1,"time":…,"previous":"00…","hash":"…"}
    …

The same rows make the same bytes. A file alone proves that its rows belong together; that
they are the cloud's is proved by the row after them, which names their last hash, and by
heads that were kept elsewhere.

    findings = []
    verdict = with_findings(verify(iter_all(source, findings), expected=head), findings)
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from iotronic_mec.audit_chain import CHANGED, REMOVED, Finding, Head, Verdict

FORMAT = 1
"""Version of the file."""

MAX_LINE_BYTES = 16_777_216
"""Longest row, bytes; a file with a longer line is damaged."""

_PIECE_BYTES = 262_144


class Damaged(Exception):
    """A file is no whole segment; the text says where it ends to be one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What is known of a sealed segment outside of its file.

    :param first: sequence of its first row
    :param previous: hash of the row before the first
    :param hash: hash of its last row
    :param digest: SHA-256 of the file, hexadecimal
    :param size: of the file, bytes
    """

    first: int
    last: int
    previous: str
    hash: str
    digest: str
    size: int

    @property
    def head(self) -> Head:
        """The chain's head after its last row."""
        return Head(sequence=self.last, hash=self.hash)

    @property
    def name(self) -> str:
        """Name of the file when it is handed out; names sort in the order of the chain."""
        return f"audit-{self.first:012d}-{self.last:012d}.jsonl.gz"


Opener = Callable[[Segment], IO[bytes] | None]
"""Gives the file of a segment, ``None`` when there is none; the reader closes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    format: int
    first: int
    last: int
    rows: int
    previous: str
    hash: str


def write(rows: Iterable[Mapping[str, Any]], segment: Segment) -> Iterator[bytes]:
    """Yield the bytes of a file; digest and size of the segment are not looked at.

    :param rows: as the API shows them, in the order of the chain
    """
    header = _Header(
        format=FORMAT,
        first=segment.first,
        last=segment.last,
        rows=segment.last - segment.first + 1,
        previous=segment.previous,
        hash=segment.hash,
    )
    # 16 + the largest window: a gzip header without a time and without a name
    pressed = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    yield pressed.compress(_line(asdict(header)))
    for row in rows:
        yield pressed.compress(_line(row))
    yield pressed.flush()


def read(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file; their chain is checked by who reads them.

    :raises Damaged: after the last row that could be read
    """
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as lines:
            header = _header(_next_line(lines))
            count = 0
            while line := _next_line(lines):
                row = json.loads(line)
                if not isinstance(row, dict) or row.get("sequence") != header.first + count:
                    raise Damaged(f"line {count + 2} is not row {header.first + count}")
                count += 1
                yield row
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise Damaged(str(error) or type(error).__name__) from error
    if count != header.rows:
        raise Damaged(f"it ends after {count} of {header.rows} rows")


def digest_of(file: IO[bytes]) -> tuple[str, int]:
    """Return the SHA-256 and the size of a file, read from where it is."""
    summed, size = hashlib.sha256(), 0
    while piece := file.read(_PIECE_BYTES):
        summed.update(piece)
        size += len(piece)
    return summed.hexdigest(), size


def in_folder(folder: Path) -> Opener:
    """Return what opens segments that were exported into a folder."""

    def opened(segment: Segment) -> IO[bytes] | None:
        try:
            return (folder / segment.name).open("rb")
        except FileNotFoundError:
            return None

    return opened


def iter_rows(
    segments: Iterable[Segment], opened: Opener, findings: list[Finding]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of sealed segments for :func:`iotronic_mec.audit_chain.verify`.

    What is wrong with files is added to the findings; what is wrong with the rows
    in them, a missing segment among it, is for the check of the chain to find.

    :param segments: in the order of the chain
    """
    for segment in segments:
        file = opened(segment)
        if file is None:
            text = f"there is no file of rows {segment.first} to {segment.last}"
            _add(findings, REMOVED, segment, text)
            continue
        with file:
            if digest_of(file) != (segment.digest, segment.size):
                text = f"the file of rows {segment.first} to {segment.last} was changed"
                _add(findings, CHANGED, segment, text)
            file.seek(0)
            yield from _rows(file, segment, findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a whole audit is read from.

    :param segments: called with a sequence; gives the segments that end after it, in order
    :param rows: called with a sequence; gives the rows after it that are in no file yet
    """

    segments: Callable[[int], Iterable[Segment]]
    rows: Callable[[int], Iterable[Mapping[str, Any]]]
    opened: Opener


def iter_all(
    source: Source, findings: list[Finding], after: int = 0
) -> Iterator[Mapping[str, Any]]:
    """Yield all rows after a sequence, sealed ones first, also while the cloud goes on sealing.

    :param findings: see :func:`iter_rows`
    """
    last, segments = after, list(source.segments(after))
    while True:
        for sealed in iter_rows(segments, source.opened, findings):
            if _sequence(sealed) > last:
                yield sealed
        last = max([last, *(each.last for each in segments)])
        segments = []
        for row in source.rows(last):
            sequence = _sequence(row)
            if sequence > last + 1:
                # a gap: were they sealed while the rows before were read?
                # only what goes on: a cloud that names the same ones again is not followed
                segments = [each for each in source.segments(last) if each.last > last]
                if segments:
                    break
            last = max(last, sequence)
            yield row
        if not segments:
            return


def with_findings(verdict: Verdict, findings: Iterable[Finding]) -> Verdict:
    """Return a verdict with what was found in files before what was found in rows."""
    return replace(verdict, findings=(*findings, *verdict.findings))


def _rows(file: IO[bytes], segment: Segment, findings: list[Finding]) -> Iterator[dict[str, Any]]:
    last: dict[str, Any] = {}
    try:
        for last in read(file):
            yield last
    except Damaged as error:
        text = f"the file of rows {segment.first} to {segment.last} is damaged: {error}"
        _add(findings, CHANGED, segment, text)
        return
    if (last.get("sequence"), last.get("hash")) != (segment.last, segment.hash):
        text = f"the file of rows {segment.first} to {segment.last} ends with another row"
        _add(findings, CHANGED, segment, text)


def _sequence(row: Mapping[str, Any]) -> int:
    """Return where a row says that it stands, 0 when it says nothing."""
    stated = row.get("sequence")
    return stated if isinstance(stated, int) else 0


def _add(findings: list[Finding], kind: str, segment: Segment, text: str) -> None:
    findings.append(Finding(kind=kind, first=segment.first, last=segment.last, text=text))


def _line(entry: Mapping[str, Any]) -> bytes:
    text = json.dumps(entry, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass") + b"\n"


def _next_line(lines: gzip.GzipFile) -> bytes:
    line = lines.readline(MAX_LINE_BYTES + 1)
    if line and not line.endswith(b"\n"):
        raise Damaged("a line has no end")
    return line


def _header(line: bytes) -> _Header:
    wire = json.loads(line.decode("utf-8"))
    if not isinstance(wire, dict) or wire.get("format") != FORMAT:
        raise Damaged(f"it is no segment of format {FORMAT}")
    try:
        return _Header(**wire)
    except TypeError as error:
        raise Damaged(f"its first line is not that of a segment: {error}") from error
