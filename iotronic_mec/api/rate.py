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

    def take(self, name: str, besides: int = 0) -> float:
        """Take one request out; return 0, or the seconds until there is one.

        :param besides: requests that were served already without being asked
            about; they are taken out in any case, and may leave a debt
        """
        rate = self._rate
        now = self._clock.monotonic()
        with self._lock:
            level, since = self._filled.get(name, (float(rate.burst), now))
            level = min(float(rate.burst), level + (now - since) * rate.per_s) - besides
            wait_s = 0.0 if level >= 1.0 else (1.0 - level) / rate.per_s
            self._filled[name] = (level if wait_s else level - 1.0, now)
            self._filled.move_to_end(name)
            while len(self._filled) > MAX_BUCKETS:
                self._filled.popitem(last=False)
        return wait_s

    def left(self, name: str) -> int:
        """Return how many requests there are now, 0 or more."""
        with self._lock:
            level, since = self._filled.get(name, (float(self._rate.burst), 0.0))
            level += (self._clock.monotonic() - since) * self._rate.per_s
            return max(0, int(min(level, float(self._rate.burst))))


class Rates:
    """The limits of requests, per project and per user; any thread."""

    def __init__(self, project: Rate, user: Rate, clock: Clock) -> None:
        self._limits = [
            (kind, Buckets(rate, clock))
            for kind, rate in (("user", user), ("project", project))
            if rate.per_s > 0
        ]

    def check(self, context: Context, besides: int = 0) -> None:
        """Let a request pass that is within the limits.

        The user's comes first: who is over it takes nothing from the project's, but
        for what was served already.

        :param besides: requests of the same sender that were served already
        :raises TooManyRequests: says whose limit it is, and when to come back
        """
        refusal: TooManyRequests | None = None
        for kind, buckets in self._limits:
            name = context.user if kind == "user" else context.project
            if not name or (refusal and not besides):
                continue
            wait_s = buckets.take(name, besides)
            if wait_s and refusal is None:
                metrics.LIMITED.add(kind)
                refusal = TooManyRequests.after(
                    wait_s, f"there are too many requests of this {kind}", {"limit_of": kind}
                )
        if refusal is not None:
            raise refusal

    def left(self, context: Context) -> int | None:
        """Return how many more requests would pass now, ``None`` without limits."""
        names = {"user": context.user, "project": context.project}
        counts = [buckets.left(names[kind]) for kind, buckets in self._limits if names[kind]]
        return min(counts, default=None)
