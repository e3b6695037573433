"""The agent's injectable time.

Whoever needs the time gets a :class:`Clock`; tests give one that they move by hand.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path


class Clock:
    """The machine's time."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start that never run backwards."""
        return time.monotonic()

    def boottime(self) -> float:
        """Return seconds since the machine was booted; time asleep counts, no setting does."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def boot_id(self) -> str:
        """Return a text that is another one after each boot."""
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def to_wire(moment: datetime) -> str:
    """Return ``moment`` as ISO 8601 in UTC with milliseconds and ``Z``.

    >>> to_wire(datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC))
    '2030-01-02T03:04:05.000Z'
    """
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
