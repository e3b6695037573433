"""When to try again: the one place that decides delays between sessions.

Pure: the random source is passed in, nothing waits here. The reasons and what
they ask for are the table in :func:`reaction_to`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum

from lightning_agent.protocol import errors

FIRST_DELAY_S = 1.0
"""Second retry, before jitter; chosen here: a router restarts in about 3 s."""
GROWTH = 1.7
JITTER = 0.3
"""Share of the delay it varies by, both ways: spreads boards that lost the cloud together."""
CEILING_S = 60.0
REFUSED_S = 600.0
"""Ceiling after a refusal that only a person can cure."""
SUPERSEDED_S = (30.0, 60.0)
"""The other session with this identity gets this long to be seen."""
CLONE_WINDOW_S = 600.0
"""Superseded twice within this time means that two boards share one identity."""
ENROLLED_S = 0.1
"""The enrolment session ended as it should; only not to spin, should it go on."""
STABLE_S = 10.0
"""A session that was ready for less than this does not start the schedule anew."""
DEFAULT_RETRY_WINDOW_S = 2.0
"""Until the cloud has told one at a join."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnd:
    """How one attempt or session ended.

    ``reason``: a WAMP URI, of ours, of the router or of the library.
    ``joined``: whether the router had let the board in.
    ``ready_s``: seconds the session was ready for orders, 0 if it never was.
    """

    reason: str
    message: str = ""
    joined: bool = False
    ready_s: float = 0.0


TRANSPORT_LOST = "wamp.close.transport_lost"
"""The connection broke, or was never made."""
JOIN_LIMIT = "lightning.join_limit"
"""Our own: the router did not let us in, nor refuse, within the limit."""


class Reaction(Enum):
    """What an end asks for."""

    RETRY = "retry"
    REFUSED = "refused"
    SUPERSEDED = "superseded"
    ENROLLED = "enrolled"


_REFUSALS = frozenset({errors.BoardUnknown.uri, errors.KeyMismatch.uri, errors.CLOSE_DELETED})


def reaction_to(end: SessionEnd) -> Reaction:
    """Return what the end of a session asks for.

    An unknown reason is retried: never to give up is the safe side for a board
    that nobody can reach otherwise. ``not_authorized`` before the join is the
    router's answer to a wrong signature; after it, it is an ordinary end.
    """
    if end.reason in _REFUSALS:
        return Reaction.REFUSED
    if end.reason == "wamp.error.not_authorized" and not end.joined:
        return Reaction.REFUSED
    if end.reason == errors.CLOSE_SUPERSEDED:
        return Reaction.SUPERSEDED
    if end.reason == errors.CLOSE_ENROLLED:
        return Reaction.ENROLLED
    return Reaction.RETRY


class Schedule:
    """The delays before the next attempts; reactor thread only.

    :param randomness: the source of jitter; seeded in tests
    :param retry_window_s: the first retry after a loss is uniform in 0…this
    """

    def __init__(
        self, randomness: random.Random, retry_window_s: float = DEFAULT_RETRY_WINDOW_S
    ) -> None:
        self._random = randomness
        self._failures = 0
        self._superseded_at: float | None = None
        self.retry_window_s = retry_window_s
        self.cloned = False
        """Whether the last end showed that another board uses this identity."""

    def delay_after(self, end: SessionEnd, now_s: float) -> float:
        """Return the seconds to wait after this end.

        :param now_s: monotonic time
        """
        self.cloned = False
        reaction = reaction_to(end)
        if end.ready_s >= STABLE_S:
            self._failures = 0
        if reaction is Reaction.SUPERSEDED:
            return self._after_superseded(now_s)
        if reaction is Reaction.ENROLLED:
            return ENROLLED_S
        if reaction is Reaction.REFUSED:
            return REFUSED_S * self._random.uniform(1 - JITTER, 1)
        return self._after_failure()

    def _after_failure(self) -> float:
        self._failures += 1
        if self._failures == 1:
            return self._random.uniform(0, self.retry_window_s)
        grown = min(FIRST_DELAY_S * GROWTH ** min(self._failures - 2, 64), CEILING_S)
        most = min(grown * (1 + JITTER), CEILING_S)
        return self._random.uniform(grown * (1 - JITTER), most)

    def _after_superseded(self, now_s: float) -> float:
        last, self._superseded_at = self._superseded_at, now_s
        self.cloned = last is not None and now_s - last <= CLONE_WINDOW_S
        self._failures = 0
        return self._random.uniform(*SUPERSEDED_S)
