"""Logs of plugins: a ring on disk per plugin, capped in size and rate.

They survive the agent and the supervisor.  One ring is two files of JSON lines,
``logs/<plugin>.log`` and the one before it, ``logs/<plugin>.log.1``.  Lines are numbered from 1,
so that whoever follows a log can say where to go on.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from lightning_agent.clock import Clock, to_wire

RING_BYTES = 1024 * 1024
"""Bytes of one plugin's log on disk, both files together."""

RATE_BYTES_S = 64 * 1024
"""Bytes per second that one plugin may log for long."""

BURST_BYTES = 512 * 1024
"""Bytes that one plugin may log at once."""

MAX_LINE_LETTERS = 4096
"""Letters of one line; the rest is cut."""

_LINE_COST_BYTES = 80


MAX_READ_BYTES = 48 * 1024
"""Bytes of text in one answer to who follows a log; the rest is in the next.  Chosen here: with
its envelope an answer stays below the 64 KiB of one message between the cloud's processes."""

Record = dict[str, str | int]
"""One line: ``n``, its number; ``time``, ``stream``, ``text``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a log.

    :param after: number of the last line before what has not been read yet
    :param missed: lines that were asked for and are not kept any more
    """

    lines: list[Record]
    after: int
    missed: int


class PluginLog:
    """The log of one plugin; used on the loop's thread only.

    :param kept: told of each line that is kept
    """

    def __init__(
        self, path: Path, clock: Clock, kept: Callable[[Record], None] = lambda _: None
    ) -> None:
        self._path = path
        self._kept = kept
        self._previous = path.with_name(f"{path.name}.1")
        self._clock = clock
        self._allowance = float(BURST_BYTES)
        self._filled_at = clock.monotonic()
        self._unreported = 0
        self._number: int | None = None
        self._whole = not path.exists() or path.read_bytes().endswith(b"\n")
        self.dropped = 0
        """Lines that were not kept because they came too fast, since the supervisor's start."""

    def write(self, stream: str, lines: list[str]) -> None:
        """Append ``lines``; those beyond the rate are counted and dropped."""
        self._fill()
        kept: list[bytes] = []
        for line in lines:
            text = line[:MAX_LINE_LETTERS]
            cost = len(text) + _LINE_COST_BYTES
            if cost > self._allowance:
                self._unreported += 1
                self.dropped += 1
                continue
            self._allowance -= cost
            if self._unreported:
                kept.append(self._record("supervisor", f"{self._unreported} lines were dropped"))
                self._unreported = 0
            kept.append(self._record(stream, text))
        if kept:
            self._append(b"".join(kept))

    def tail(self, count: int) -> list[Record]:
        """Return the newest ``count`` lines, the oldest first."""
        found: deque[bytes] = deque(maxlen=count)
        for path in (self._previous, self._path):
            found.extend(_lines_of(path))
        return [record for line in found if (record := _parse(line)) is not None]

    @property
    def last(self) -> int:
        """The number of the newest line, 0 where there is none."""
        if self._number is None:
            newest = next(self._newest_first(), None)
            self._number = 0 if newest is None else int(newest["n"])
        return self._number

    def read_newest(self, count: int) -> Part:
        """Return the newest lines, at most ``count``, the oldest first; the rest is not missed."""
        lines = _fitting(islice(self._newest_first(), count))
        return Part(lines=lines[::-1], after=self.last, missed=0)

    def read_after(self, number: int, count: int) -> Part:
        """Return the oldest lines after line ``number``, at most ``count``, the oldest first.

        A number beyond the newest line is of a log that was here before: then all is new.
        """
        last = self.last
        if number > last:
            number = 0
        newer: list[Record] = []
        if number < last:
            for record in self._newest_first():
                if int(record["n"]) <= number:
                    break
                newer.append(record)
        lines = _fitting(newer[: -count - 1 : -1])
        if not lines:
            return Part(lines=[], after=last, missed=0)
        missed = int(lines[0]["n"]) - number - 1 if number else 0
        return Part(lines=lines, after=int(lines[-1]["n"]), missed=missed)

    def remove(self) -> None:
        """Remove the files."""
        self._path.unlink(missing_ok=True)
        self._previous.unlink(missing_ok=True)
        self._number = 0

    def _fill(self) -> None:
        now = self._clock.monotonic()
        gained = (now - self._filled_at) * RATE_BYTES_S
        self._allowance = min(float(BURST_BYTES), self._allowance + gained)
        self._filled_at = now

    def _record(self, stream: str, text: str) -> bytes:
        self._number = self.last + 1
        time = to_wire(self._clock.now())
        record: Record = {"n": self._number, "time": time, "stream": stream, "text": text}
        self._kept(record)
        clean = json.dumps(record, ensure_ascii=False).encode(errors="replace")
        return clean + b"\n"

    def _append(self, content: bytes) -> None:
        half = RING_BYTES // 2
        for start in range(0, len(content), half):
            piece = content[start : start + half]
            if self._path.exists() and self._path.stat().st_size + len(piece) > half:
                self._path.replace(self._previous)
            with self._path.open("ab") as written:
                if not self._whole:
                    written.write(b"\n")  # ends what a crash cut
                    self._whole = True
                written.write(piece)

    def _newest_first(self) -> Iterator[Record]:
        """Give the numbered lines; those a former version wrote have no number."""
        for path in (self._path, self._previous):
            for line in reversed(_lines_of(path)):
                record = _parse(line)
                if record is not None and isinstance(record.get("n"), int):
                    yield record


def _fitting(records: Iterable[Record]) -> list[Record]:
    """Return the first records that fit into one answer, at least one."""
    lines: list[Record] = []
    size_bytes = 0
    for record in records:
        size_bytes += len(str(record["text"]).encode(errors="replace")) + _LINE_COST_BYTES
        if lines and size_bytes > MAX_READ_BYTES:
            break
        lines.append(record)
    return lines


def _lines_of(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except FileNotFoundError:
        return []


def _parse(line: bytes) -> Record | None:
    """Return the record in ``line``, or ``None`` if a crash cut it."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


class Logs:
    """The logs of all plugins.

    :param folder: existing folder for the files
    :param kept: told of each line that is kept
    """

    def __init__(
        self, folder: Path, clock: Clock, kept: Callable[[Record], None] = lambda _: None
    ) -> None:
        self._folder = folder
        self._kept = kept
        self._clock = clock
        self._open: dict[str, PluginLog] = {}

    def of(self, plugin: str) -> PluginLog:
        """Return the log of ``plugin``, a checked name."""
        if plugin not in self._open:
            self._open[plugin] = PluginLog(self._folder / f"{plugin}.log", self._clock, self._kept)
        return self._open[plugin]

    def remove(self, plugin: str) -> None:
        """Forget ``plugin`` and remove its log."""
        self.of(plugin).remove()
        del self._open[plugin]
