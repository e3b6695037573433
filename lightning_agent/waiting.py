"""Waiting on the reactor: sleep, wait with a limit, go on in the background.

Reactor thread only. ``reactor`` is whatever gives ``callLater`` and ``seconds``,
in tests a :class:`twisted.internet.task.Clock`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

LOG = logging.getLogger(__name__)


def sleep(reactor: Any, seconds: float) -> Deferred[None]:
    """Return what fires after so many seconds; may be cancelled."""

    def forget(_: Deferred[None]) -> None:
        timer.cancel()

    pause: Deferred[None] = Deferred(forget)
    timer = reactor.callLater(seconds, pause.callback, None)
    return pause


async def wait_for(
    reactor: Any, awaited: Deferred[Any], limit_s: float, otherwise: Callable[[], Exception]
) -> Any:
    """Wait for a Deferred at most so long, then abandon it; it is never cancelled.

    A cancelled WAMP call whose callee then dies closes the caller's session in
    this library and router, so the late answer is ignored instead.

    :raises Exception: what ``otherwise`` makes, at the limit
    """
    result: Deferred[Any] = Deferred()
    timer = reactor.callLater(limit_s, lambda: result.errback(otherwise()))

    def forward(value: Any) -> None:
        if timer.active():
            timer.cancel()
            # callback() of a Failure runs the errbacks, so one function serves both
            result.callback(value)

    awaited.addBoth(forward)
    try:
        return await result
    finally:
        if timer.active():
            timer.cancel()


def in_background(work: Coroutine[Any, Any, None], what: str) -> Deferred[None]:
    """Go on with the work; what it raises is logged, unless it was cancelled.

    :param what: names the work in the log
    :returns: fires when it is over; may be cancelled
    """
    going: Deferred[None] = Deferred.fromCoroutine(work)

    def log(failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            LOG.error("%s broke: %s", what, failure.getTraceback())

    going.addErrback(log)
    return going
