"""Time as an object that is passed in, so that tests can set it."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """The real time."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back; only differences mean anything."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait; blocks the calling thread."""
        time.sleep(seconds)


class ManualClock(Clock):
    """A clock that stands still until a test moves it.

    :param start: the first moment, aware
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._monotonic = 0.0

    def now(self) -> datetime:
        """Return the moment set."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds moved so far."""
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        """Move instead of waiting."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move both times on by ``seconds``, >= 0."""
        self._monotonic += seconds
        self._now = datetime.fromtimestamp(self._now.timestamp() + seconds, UTC)


def iso(moment: datetime | None) -> str | None:
    """Write a moment as ISO 8601 with ``+00:00``, as IoTronic's clients read it."""
    return None if moment is None else moment.astimezone(UTC).isoformat()
