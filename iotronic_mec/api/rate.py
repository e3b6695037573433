"""How many requests a project and a user may make: token buckets.

Each API process has its own buckets, so with several of them the limit is that
many times higher. A bucket holds ``burst`` requests and gets ``rate`` new ones
a second; 0 is no limit and costs nothing.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from iotronic_mec import metrics
from iotronic_mec.api.problem import TooManyRequests
from iotronic_mec.clock import Clock
from iotronic_mec.context import Context
from iotronic_mec.counted import Rate

MAX_BUCKETS = 16_384
"""Most buckets remembered; a forgotten one is full, as it would be soon anyway."""


class Buckets:
    """One bucket for each of those limited alike; any thread.

    :param rate: with ``per_s`` above 0
    """

    def __init__(self, rate: Rate, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._filled: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> float:
        """Take one request out; return 0, or the seconds until there is one."""
        rate = self._rate
        now = self._clock.monotonic()
        with self._lock:
            level, since = self._filled.get(name, (float(rate.burst), now))
            level = min(float(rate.burst), level + (now - since) * rate.per_s)
            wait_s = 0.0 if level >= 1.0 else (1.0 - level) / rate.per_s
            self._filled[name] = (level if wait_s else level - 1.0, now)
            self._filled.move_to_end(name)
            while len(self._filled) > MAX_BUCKETS:
                self._filled.popitem(last=False)
        return wait_s


class Rates:
    """The limits of requests, per project and per user; any thread."""

    def __init__(self, project: Rate, user: Rate, clock: Clock) -> None:
        self._limits = [
            (kind, Buckets(rate, clock))
            for kind, rate in (("user", user), ("project", project))
            if rate.per_s > 0
        ]

    def check(self, context: Context) -> None:
        """Let a request pass that is within the limits.

        The user's comes first: who is over it takes nothing from the project's.

        :raises TooManyRequests: says whose limit it is, and when to come back
        """
        for kind, buckets in self._limits:
            name = context.user if kind == "user" else context.project
            wait_s = buckets.take(name) if name else 0.0
            if wait_s:
                metrics.LIMITED.add(kind)
                raise TooManyRequests.after(
                    wait_s, f"there are too many requests of this {kind}", {"limit_of": kind}
                )
