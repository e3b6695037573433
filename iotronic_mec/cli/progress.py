"""Telling how far a request is, on the standard error.

On a terminal one line with a bar that moves; elsewhere one plain line for
each new state, so that logs stay readable.
"""

from __future__ import annotations

import shutil
from typing import TextIO

from iotronic_mec.sdk import Request

WIDTH = 24
BLOCK = 6
CELLS_PER_S = 8.0
"""The bar: its width and its block's, in characters, and its speed."""


class Bar:
    """Progress of one request; call it with each look, close it at the end.

    :param what: what is being done, in words
    :param quiet: tell nothing
    """

    def __init__(self, stream: TextIO, what: str, *, quiet: bool = False) -> None:
        self._stream = stream
        self._what = what
        self._quiet = quiet
        self._terminal = stream.isatty()
        self._state: str | None = None
        self._drawn = 0

    def __call__(self, request: Request, waited_s: float) -> None:
        """Show the request's state."""
        state = request.state or request.status or ""
        if request.total is not None and request.total > 1:
            ended = request.total - (request.pending_requests or 0)
            state = f"{state}, {ended} of {request.total} boards"
        if self._quiet:
            return
        if self._terminal:
            self._draw(f"[{block(waited_s)}] {self._what}: {state}, {waited_s:.1f} s")
        elif state != self._state:
            self._stream.write(f"{self._what}: {state} after {waited_s:.1f} s\n")
        self._state = state
        self._stream.flush()

    def close(self) -> None:
        """Take the bar away."""
        if self._drawn:
            self._draw("")
            self._stream.write("\r")
            self._stream.flush()

    def _draw(self, line: str) -> None:
        line = line[: max(20, shutil.get_terminal_size().columns - 1)]  # one that wraps stays
        self._stream.write("\r" + line.ljust(self._drawn))
        self._drawn = len(line)


def block(waited_s: float) -> str:
    """Return the inside of the bar after some seconds.

    >>> block(0)
    '======                  '
    """
    room = WIDTH - BLOCK
    step = int(waited_s * CELLS_PER_S) % (2 * room)
    left = step if step <= room else 2 * room - step
    return " " * left + "=" * BLOCK + " " * (room - left)
