"""Logs of plugins: a ring on disk per plugin, capped in size and rate.

They survive the agent and the supervisor.  One ring is two files of JSON lines,
``logs/<plugin>.log`` and the one before it, ``logs/<plugin>.log.1``.
"""

from __future__ import annotations

import json
from collections import deque
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


class PluginLog:
    """The log of one plugin; used on the loop's thread only."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._previous = path.with_name(f"{path.name}.1")
        self._clock = clock
        self._allowance = float(BURST_BYTES)
        self._filled_at = clock.monotonic()
        self._unreported = 0
        self.dropped = 0
        """Lines that were not kept because they came too fast, since the supervisor's start."""

    def write(self, stream: str, lines: list[str]) -> None:
        """Append ``lines``; those beyond the rate are counted and dropped."""
        self._fill()
        kept = []
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

    def tail(self, count: int) -> list[dict[str, str]]:
        """Return the newest ``count`` lines, the oldest first."""
        found: deque[bytes] = deque(maxlen=count)
        for path in (self._previous, self._path):
            try:
                found.extend(path.read_bytes().splitlines())
            except FileNotFoundError:
                continue
        return [record for line in found if (record := _parse(line)) is not None]

    def remove(self) -> None:
        """Remove the files."""
        self._path.unlink(missing_ok=True)
        self._previous.unlink(missing_ok=True)

    def _fill(self) -> None:
        now = self._clock.monotonic()
        gained = (now - self._filled_at) * RATE_BYTES_S
        self._allowance = min(float(BURST_BYTES), self._allowance + gained)
        self._filled_at = now

    def _record(self, stream: str, text: str) -> bytes:
        record = {"time": to_wire(self._clock.now()), "stream": stream, "text": text}
        clean = json.dumps(record, ensure_ascii=False).encode(errors="replace")
        return clean + b"\n"

    def _append(self, content: bytes) -> None:
        half = RING_BYTES // 2
        for start in range(0, len(content), half):
            piece = content[start : start + half]
            if self._path.exists() and self._path.stat().st_size + len(piece) > half:
                self._path.replace(self._previous)
            with self._path.open("ab") as written:
                written.write(piece)


def _parse(line: bytes) -> dict[str, str] | None:
    """Return the record in ``line``, or ``None`` if a crash cut it."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


class Logs:
    """The logs of all plugins.

    :param folder: existing folder for the files
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._open: dict[str, PluginLog] = {}

    def of(self, plugin: str) -> PluginLog:
        """Return the log of ``plugin``, a checked name."""
        if plugin not in self._open:
            self._open[plugin] = PluginLog(self._folder / f"{plugin}.log", self._clock)
        return self._open[plugin]

    def remove(self, plugin: str) -> None:
        """Forget ``plugin`` and remove its log."""
        self.of(plugin).remove()
        del self._open[plugin]
