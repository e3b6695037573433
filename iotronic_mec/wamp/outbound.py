"""Calls from the core to boards, and what their failures mean.

A wait is bounded by our own timer, which *abandons* the answer. A WAMP call is
never cancelled: when the board then dies before it answers, the router sends a
second ERROR and autobahn closes our own session. The router forgets the call by
its ``timeout`` option a little later.

Source: WAMP spec, advanced profile, Call Timeout; that the router fires up to a
second early was tried, hence one second more. Reactor thread only.
"""
# autobahn says it is typed, and most of its functions are not
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import logging
import math
import time
from typing import Any

import msgpack
from autobahn.exception import PayloadExceededError
from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.exception import ApplicationError, TransportLost
from autobahn.wamp.types import CallOptions, CallResult
from twisted.internet.base import DelayedCall, ReactorBase
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from iotronic_mec import errors, metrics
from lightning_agent.protocol import names
from lightning_agent.protocol.messages import MAX_MESSAGE_BYTES

ACCESS = logging.getLogger("iotronic_mec.access")
"""One line for each call to a board, where ``[log] access`` wants them."""

MIN_TIMEOUT_S = 0.05
"""Least seconds a call is given; below, it is not sent at all."""

LINK_BROKE = "the link to the router broke while the call was under way"
"""What a caller is told whose call may have reached the board."""


class Outbound:
    """Calls boards over the session of the moment."""

    def __init__(self, reactor: ReactorBase) -> None:
        self._reactor = reactor
        self._session: ApplicationSession | None = None

    def attach(self, session: ApplicationSession | None) -> None:
        """Use this session from now on; ``None`` while there is none."""
        self._session = session

    async def call(self, arguments: dict[str, Any], remaining_s: float) -> dict[str, Any]:
        """Serve ``board.call`` of the core: one procedure of one board.

        :param arguments: ``board``, ``procedure``, ``message``, ``timeout_s``
        :raises errors.BoardOffline: the board serves no calls
        :raises errors.BoardTimeout: no answer in time
        :raises errors.BoardLost: its session or ours ended during the call: the
            board may have carried it out
        :raises errors.RouterUnavailable: we have no session; nothing was sent
        :raises errors.TooLarge: the message is over the size limit
        """
        board = str(arguments.get("board"))
        message = arguments.get("message")
        timeout_s = min(float(arguments.get("timeout_s") or 0.0), remaining_s)
        if not isinstance(message, dict) or names.UUID.fullmatch(board) is None:
            raise errors.BadRequest("a board's uuid and a message are required")
        try:
            uri = names.board_procedure(board, str(arguments.get("procedure")))
        except ValueError as error:
            raise errors.BadRequest(str(error)) from error
        if timeout_s < MIN_TIMEOUT_S:
            raise errors.BoardTimeout("no time is left to call the board")
        check_size(message)
        if ACCESS.isEnabledFor(logging.INFO):
            ACCESS.info("board %s: %s is called", board, arguments.get("procedure"))
        began_s, outcome = time.perf_counter(), "failed"
        try:
            answer = await self._send(uri, message, timeout_s)
            outcome = "ok"
        except errors.Error as error:
            # the class, not its code: that may be the board's own word
            outcome = type(error).__name__
            raise
        finally:
            metrics.BOARD_CALLS.add(time.perf_counter() - began_s, outcome)
        if not isinstance(answer, dict):
            raise errors.BoardRefused("the board gave no message as its answer")
        return answer

    def _send(self, uri: str, message: dict[str, Any], timeout_s: float) -> Deferred[Any]:
        if self._session is None:
            raise errors.RouterUnavailable()
        options = CallOptions(timeout=math.ceil(timeout_s) + 1)
        try:
            answer = self._session.call(uri, message, options=options)
        except TransportLost as error:
            raise errors.RouterUnavailable() from error
        except PayloadExceededError as error:
            raise errors.TooLarge(str(error)) from error
        waiting: Deferred[Any] = Deferred()
        timer = self._reactor.callLater(timeout_s, _abandon, waiting, timeout_s)
        answer.addCallbacks(
            _deliver, _fail, callbackArgs=(waiting, timer), errbackArgs=(waiting, timer)
        )
        return waiting


def check_size(message: dict[str, Any]) -> None:
    """Refuse what the router would close a session for.

    :raises errors.TooLarge: encoded, it is over the size limit
    """
    size_bytes = len(msgpack.packb(message, use_bin_type=True))
    if size_bytes > MAX_MESSAGE_BYTES:
        raise errors.TooLarge(
            f"the message for the board has {size_bytes} bytes, {MAX_MESSAGE_BYTES} are allowed"
        )


def translate(failure: Exception) -> errors.Error:
    """Say in our words why a call that was sent to a board failed.

    When our own link broke, the board may have carried the call out all the
    same: that is a lost call, not one that was never sent. A board's own error
    keeps its URI as the code.
    """
    if isinstance(failure, TransportLost):
        return errors.BoardLost(LINK_BROKE)
    if not isinstance(failure, ApplicationError):
        return errors.BoardRefused(f"the board's answer cannot be read: {failure}")
    uri = str(failure.error)
    said = str(failure.args[0]) if failure.args else ""
    if uri == ApplicationError.NO_SUCH_PROCEDURE:
        return errors.BoardOffline()
    if uri == ApplicationError.CANCELED:
        if "timeout" in said:
            return errors.BoardTimeout("the board did not answer in time")
        return errors.BoardLost()
    if uri.startswith("wamp.close."):
        return errors.BoardLost(LINK_BROKE)
    details = failure.kwargs.get("details")
    return errors.RemoteError(
        {
            "code": uri,
            "message": said or f"the board refused the call with {uri}",
            "http_status": errors.BoardRefused.http_status,
            "details": details if isinstance(details, dict) else {},
        }
    )


def _abandon(waiting: Deferred[Any], timeout_s: float) -> None:
    waiting.errback(errors.BoardTimeout(f"the board did not answer within {timeout_s:.1f} s"))


def _deliver(answer: Any, waiting: Deferred[Any], timer: DelayedCall) -> None:
    if not timer.active():
        return
    timer.cancel()
    if isinstance(answer, CallResult):
        answer = answer.results[0] if answer.results else None
    waiting.callback(answer)


def _fail(failure: Failure, waiting: Deferred[Any], timer: DelayedCall) -> None:
    if not timer.active():
        return
    timer.cancel()
    reason = failure.value
    waiting.errback(
        translate(reason) if isinstance(reason, Exception) else errors.BoardLost(LINK_BROKE)
    )
