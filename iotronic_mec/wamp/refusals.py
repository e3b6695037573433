"""Refused logins, counted and told to the conductor for the audit.

One line per (authid, reason), cast at most once a second, with a bounded number
of distinct lines: whoever hammers the login cannot fill the audit or the memory.
Reactor thread only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from twisted.internet.base import DelayedCall, ReactorBase

LOG = logging.getLogger(__name__)

UNKNOWN_CODE = "code_unknown"
USED_CODE = "code_used"
UNKNOWN_BOARD = "board_unknown"
WRONG_KEY = "wrong_key"
WRONG_REALM = "wrong_realm"
CHALLENGE_FAILED = "challenge_failed"
NOT_READY = "not_ready"

MAX_LINES = 200
"""Most distinct (authid, reason) lines between two casts; the rest is one line
per reason with the authid ``*``."""

EVERY_S = 1.0
"""Seconds between two casts, at least."""

MAX_AUTHID = 64
"""Characters of a claimed authid that are kept; it is whatever a stranger wrote."""


class Refusals:
    """Counts refusals and casts them.

    :param cast: sends the lines; returns whether they were sent
    """

    def __init__(self, reactor: ReactorBase, cast: Callable[[list[dict[str, Any]]], bool]) -> None:
        self._reactor = reactor
        self._cast = cast
        self._lines: dict[tuple[str, str], dict[str, Any]] = {}
        self._timer: DelayedCall | None = None

    def count(self, authid: object, reason: str, peer: str = "") -> None:
        """Count one refusal.

        :param authid: as claimed, any text
        :param reason: one of this module's constants
        :param peer: the address it came from
        """
        claimed = str(authid)[:MAX_AUTHID]
        if (claimed, reason) not in self._lines and len(self._lines) >= MAX_LINES:
            claimed, peer = "*", ""
        line = self._lines.setdefault(
            (claimed, reason), {"authid": claimed, "reason": reason, "count": 0, "peer": peer}
        )
        line["count"] += 1
        LOG.info("refused login of %s from %s: %s", claimed, peer, reason)
        if self._timer is None:
            self._timer = self._reactor.callLater(EVERY_S, self._tell)

    def stop(self) -> None:
        """Tell what is left and stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._cast(list(self._lines.values()))

    def _tell(self) -> None:
        self._timer = None
        if self._cast(list(self._lines.values())):
            self._lines.clear()
        else:
            self._timer = self._reactor.callLater(EVERY_S, self._tell)
