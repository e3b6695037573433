"""Changes of presence on their way to the conductor, in batches.

At once when nothing was sent lately; otherwise at most one RPC per second and
per 100 boards online. Several changes of one board become the last one. What
could not be sent stays and is tried again. Reactor thread only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from twisted.internet.base import DelayedCall, ReactorBase
from twisted.internet.defer import Deferred

from iotronic_mec import errors
from iotronic_mec.wamp.presence import Change

LOG = logging.getLogger(__name__)

MAX_BATCH = 500
"""Most changes in one RPC; far below the size limit of a frame."""

BOARDS_PER_RPC = 100
"""Boards online for each RPC per second."""

LONGEST_S = 1.0
"""Longest wait between two batches, seconds."""


class Reporter:
    """Collects changes and sends them.

    :param send: tells the conductor a list of changes; fails while it is away
    :param boards: number of boards online
    """

    def __init__(
        self,
        reactor: ReactorBase,
        send: Callable[[list[dict[str, Any]]], Deferred[Any]],
        boards: Callable[[], int],
    ) -> None:
        self._reactor = reactor
        self._send = send
        self._boards = boards
        self._pending: dict[str, Change] = {}
        self._timer: DelayedCall | None = None
        self._sending = False
        self._stopped = False

    def report(self, change: Change) -> None:
        """Send a change soon."""
        self._pending.pop(change.board, None)
        self._pending[change.board] = change
        if self._timer is None and not self._sending:
            self._timer = self._reactor.callLater(0, self._flush)

    def stop(self) -> None:
        """Send no more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _flush(self) -> None:
        self._timer = None
        batch = [self._pending.pop(board) for board in list(self._pending)[:MAX_BATCH]]
        self._sending = True
        Deferred.fromCoroutine(self._tell(batch))

    async def _tell(self, batch: list[Change]) -> None:
        try:
            await self._send([change.to_wire() for change in batch])
        except errors.Error as error:
            LOG.info("presence of %d boards waits: %s", len(batch), error.message)
            for change in batch:
                self._pending.setdefault(change.board, change)
        self._sending = False
        if not self._stopped:
            self._timer = self._reactor.callLater(self._pause_s(), self._next)

    def _next(self) -> None:
        self._timer = None
        if self._pending:
            self._flush()

    def _pause_s(self) -> float:
        return LONGEST_S / max(1.0, self._boards() / BOARDS_PER_RPC)
