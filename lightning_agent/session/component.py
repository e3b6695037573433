"""The board's life with the cloud: one session after the other, for ever.

Decides when to try again (:mod:`session.backoff`) and what an end means; what
happens inside a session is the ``on_join`` it is given.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred

from lightning_agent.session.backoff import Reaction, Schedule, SessionEnd, reaction_to
from lightning_agent.waiting import sleep

LOG = logging.getLogger(__name__)

LEAVE_LIMIT_S = 0.5
"""For a polite end; the process has two seconds in all."""


class Attempt(Protocol):
    """What :class:`~lightning_agent.session.transport.Connection` offers."""

    session: Any

    async def run(self, on_join: Callable[[Any], Awaitable[None]]) -> SessionEnd:
        """Run one session to its end."""

    def drop(self) -> None:
        """End it without a word."""


class Component:
    """Runs sessions until stopped; reactor thread only.

    :param reactor: gives time and timers
    :param attempt: makes the next :class:`Attempt`
    :param on_join: called with the session once the router let the board in
    :param on_end: called with how a session or attempt ended
    :param board: the uuid, for the log
    """

    def __init__(
        self,
        reactor: Any,
        *,
        attempt: Callable[[], Attempt],
        schedule: Schedule,
        on_join: Callable[[Any], Awaitable[None]],
        on_end: Callable[[SessionEnd], None],
        board: str,
    ) -> None:
        self._reactor = reactor
        self._make_attempt = attempt
        self._schedule = schedule
        self._on_join = on_join
        self._on_end = on_end
        self._board = board
        self._attempt: Attempt | None = None
        self._waiting: Deferred[None] | None = None
        self._ready_at: float | None = None
        self._stopping = False

    def ready(self) -> None:
        """Note that the session is open for orders; a later loss starts the schedule anew."""
        self._ready_at = self._reactor.seconds()

    async def run(self) -> None:
        """Run sessions until :meth:`stop`."""
        while True:
            end = await self._one_session()
            if self._is_stopping():
                return
            delay_s = self._schedule.delay_after(end, self._reactor.seconds())
            self._tell(end, delay_s)
            await self._wait(delay_s)
            if self._is_stopping():
                return

    async def stop(self) -> None:
        """End the session politely if it can be done in half a second; run() returns."""
        self._stopping = True
        self.wake()
        attempt = self._attempt
        if attempt is None:
            return
        session = attempt.session
        limit = self._reactor.callLater(LEAVE_LIMIT_S, attempt.drop)
        if session is not None and session.is_attached():
            session.leave()
        else:
            attempt.drop()
        while attempt is self._current() and limit.active():
            await sleep(self._reactor, 0.01)
        if limit.active():
            limit.cancel()

    def wake(self) -> None:
        """Try again now instead of at the end of the delay."""
        if self._waiting is not None:
            self._waiting.cancel()

    def _ready_for_s(self) -> float:
        if self._ready_at is None:
            return 0.0
        return float(max(self._reactor.seconds() - self._ready_at, 1e-3))

    def _is_stopping(self) -> bool:
        return self._stopping

    def _current(self) -> Attempt | None:
        return self._attempt

    async def _one_session(self) -> SessionEnd:
        attempt = self._attempt = self._make_attempt()
        self._ready_at = None
        end = await attempt.run(self._on_join)
        self._attempt = None
        end = dataclasses.replace(end, ready_s=self._ready_for_s())
        self._on_end(end)
        return end

    def _tell(self, end: SessionEnd, delay_s: float) -> None:
        what = f"{end.reason} {end.message}".strip()
        reaction = reaction_to(end)
        if self._schedule.cloned:
            LOG.error(
                "board %s: another device uses this board's identity (superseded twice within "
                "ten minutes); enrol one of the two with a code of its own; next try in %.0f s",
                self._board,
                delay_s,
            )
        elif reaction is Reaction.REFUSED:
            LOG.error(
                "board %s: the cloud refuses this board (%s); if it was deleted there, enrol "
                "with a new code; next try in %.0f s",
                self._board,
                what,
                delay_s,
            )
        else:
            LOG.warning(
                "board %s: not connected (%s); next try in %.1f s", self._board, what, delay_s
            )

    async def _wait(self, delay_s: float) -> None:
        self._waiting = sleep(self._reactor, delay_s)
        try:
            await self._waiting
        except CancelledError:
            LOG.debug("board %s: woken", self._board)
        finally:
            self._waiting = None
