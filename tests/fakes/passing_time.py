"""Time that passes only by sleeping, for clients that pause and poll."""

from __future__ import annotations


class PassingTime:
    """A monotonic clock that sleeping moves on; ``pauses`` are the sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Note the pause and move on."""
        self.pauses.append(seconds)
        self.now += seconds

    def monotonic(self) -> float:
        """Return the seconds moved so far."""
        return self.now
