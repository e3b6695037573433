"""Orders from the cloud: find the procedure, run it at most once, answer.

Outcomes of the work are answers (also ``failed`` and ``timed_out``); WAMP errors
say only that the order itself was not taken: not understood, no such procedure,
too much at once. Here is the agent's one ``except Exception``.

Reactor thread only.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgpack
from autobahn.wamp.exception import ApplicationError
from twisted.internet.defer import CancelledError, Deferred

from lightning_agent.clock import Clock, to_wire
from lightning_agent.errors import Error, StorageFailed
from lightning_agent.modules.base import Procedure
from lightning_agent.protocol import names
from lightning_agent.protocol.checks import MAX_TEXT
from lightning_agent.protocol.errors import BadMessage, Busy, NoSuchProcedure, WireError
from lightning_agent.protocol.log_lines import Asking, set_asking
from lightning_agent.protocol.messages import (
    MAX_MESSAGE_BYTES,
    AgentState,
    OperationAnswer,
    OperationCall,
)
from lightning_agent.state.outbox import Outbox

LOG = logging.getLogger(__name__)

ENVELOPE_BYTES = 4096
"""Kept free in a message for what WAMP adds around an answer."""

MAX_BACKGROUND_S = 3900.0
"""Work in the background ends by itself before this, see ``protocol.device``."""

MAX_CAUSE_BYTES = 65_536
"""Longest cause, roughly: it lands in the cloud's database. Larger ones lose their details."""

TIMED_OUT = frozenset(
    {"command_timeout", "deadline", "plugin_timeout", "rest_timeout", "supervisor_timeout"}
)
"""Causes that mean the time was up."""

REJECTED = frozenset(
    {
        "address_refused",
        "already_running",
        "bad_parameters",
        "busy",
        "not_allowed",
        "not_running",
        "plugin_unknown",
        "sandbox_refused",
        "wrong_kind",
    }
)
"""Causes that mean the work was never begun."""

StateOf = Callable[[], Awaitable[AgentState]]


class Dispatcher:
    """All procedures of one board.

    :param procedures: what the modules offer
    :param state: answers ``agent.state``
    :param concurrency: orders carried out at the same time; more are refused as busy
    """

    def __init__(
        self,
        reactor: Any,
        *,
        board: str,
        clock: Clock,
        outbox: Outbox,
        procedures: Iterable[Procedure],
        state: StateOf,
        concurrency: int = 32,
    ) -> None:
        self._reactor = reactor
        self._board = board
        self._prefix = names.board_prefix(board)
        self._clock = clock
        self._outbox = outbox
        self._procedures = {procedure.name: procedure for procedure in procedures}
        self._state = state
        self._concurrency = concurrency
        self._running = 0
        self._background: set[str] = set()
        self._waiting: dict[str, list[Deferred[OperationAnswer]]] = {
            received.call.operation: [] for received in outbox.unfinished
        }

    @property
    def procedures(self) -> list[str]:
        """The names of all procedures, sorted."""
        return sorted([*self._procedures, names.AGENT_STATE, names.AGENT_PING])

    async def handle(self, *arguments: Any, details: Any) -> dict[str, Any]:
        """Answer one WAMP invocation.

        :raises ApplicationError: the order was not taken; its URI says why
        """
        name = details.procedure.removeprefix(self._prefix)
        wire = arguments[0] if arguments else None
        try:
            if name == names.AGENT_STATE:
                return (await self._state()).to_wire()
            if name == names.AGENT_PING:
                return {"say": _said(wire)}
            procedure = self._procedures.get(name)
            if procedure is None:
                raise NoSuchProcedure(f"this board has no procedure {name[:64]!r}")
            answer = await self.carry_out(procedure, OperationCall.from_wire(wire))
        except WireError as error:
            refusal: Exception = ApplicationError(error.uri, error.message)  # type: ignore[no-untyped-call]
            raise refusal from error
        return answer.to_wire()

    async def carry_out(self, procedure: Procedure, call: OperationCall) -> OperationAnswer:
        """Run an order, or answer as before if it was run before.

        :raises Busy: too many orders at once
        """
        if call.operation in self._background:
            return _still_running(call)
        waiting = self._waiting.get(call.operation)
        if waiting is not None:
            return await self._join(waiting)
        if self._outbox.is_known(call.operation):
            answer = await self._outbox.find_answer(call.operation)
            if answer is not None:
                return answer
            if procedure.effect:
                return _ended(
                    call, "failed", "outcome_unknown", "it was carried out, how it ended was lost"
                )
        if self._running >= self._concurrency:
            raise Busy(f"the board carries out {self._running} orders already")
        self._running += 1
        waiting = self._waiting[call.operation] = []
        own = self._join(waiting)
        Deferred.fromCoroutine(self._take(procedure, call))
        return await own

    async def settle(self, recover: Callable[[str, OperationCall], Awaitable[Any]]) -> None:
        """End the orders that an earlier agent received and did not end.

        :param recover: finds out what became of one: returns its result, or raises
            :class:`Error`
        """
        for received in self._outbox.unfinished:
            call = received.call
            try:
                message = await recover(received.procedure, call)
                answer = OperationAnswer(
                    operation=call.operation, state="succeeded", message=message
                )
            except Error as error:
                answer = _failed(call, error)
            LOG.warning(
                "board %s operation %s: begun before the agent's restart, now %s",
                self._board,
                call.operation,
                answer.state,
            )
            await self._record(received.procedure, call, answer)
            self._tell(call.operation, answer)

    def _join(self, waiting: list[Deferred[OperationAnswer]]) -> Deferred[OperationAnswer]:
        # The router may interrupt a caller's wait; that cancels this Deferred
        # alone, the order itself goes on to its own deadline.
        joined: Deferred[OperationAnswer] = Deferred()
        waiting.append(joined)
        return joined

    def _tell(self, operation: str, answer: OperationAnswer) -> None:
        for joined in self._waiting.pop(operation, []):
            if not joined.called:
                joined.callback(answer)

    async def _take(self, procedure: Procedure, call: OperationCall) -> None:
        # of this order's own coroutine, and of what it starts
        set_asking(Asking(call.request_id, call.user, call.project))
        LOG.log(
            logging.INFO if procedure.effect else logging.DEBUG,
            "board %s operation %s: %s begins",
            self._board,
            call.operation,
            procedure.name,
        )
        started = self._clock.now()
        try:
            if procedure.effect:
                await self._outbox.receive(procedure.name, call)
            if procedure.background:
                self._background.add(call.operation)
                self._tell(call.operation, _still_running(call))
            answer = await self._run(procedure, call)
        except StorageFailed as error:
            answer = _failed(call, error)
            procedure = Procedure(name=procedure.name, effect=False, run=procedure.run)
        finally:
            self._running -= 1
            self._background.discard(call.operation)
        answer = OperationAnswer(
            operation=call.operation,
            state=answer.state,
            message=answer.message,
            cause=answer.cause,
            started_at=to_wire(started),
            finished_at=to_wire(self._clock.now()),
        )
        LOG.log(
            logging.INFO if procedure.effect else logging.DEBUG,
            "board %s operation %s: %s",
            self._board,
            call.operation,
            answer.state,
        )
        if procedure.effect:
            await self._record(procedure.name, call, answer, unheard=procedure.background)
            self._tell(call.operation, answer)
        else:
            self._tell(call.operation, answer)
            if procedure.noted:
                self._outbox.finish_later(procedure.name, call, answer)

    async def _record(
        self, name: str, call: OperationCall, answer: OperationAnswer, *, unheard: bool = False
    ) -> None:
        try:
            await self._outbox.finish(name, call, answer, unheard=unheard)
        except StorageFailed as error:
            LOG.error(
                "board %s operation %s: its end could not be written down: %s",
                self._board,
                call.operation,
                error,
            )

    async def _run(self, procedure: Procedure, call: OperationCall) -> OperationAnswer:
        work: Deferred[Any] = Deferred.fromCoroutine(_coroutine(procedure, call))
        # work in the background outlasts the call and bounds itself
        limit_s = MAX_BACKGROUND_S if procedure.background else call.remaining_s
        limit = self._reactor.callLater(limit_s, work.cancel)
        try:
            message = await work
            return _within_bounds(call, message)
        except CancelledError:
            return _ended(call, "timed_out", "deadline", "the order's time was up")
        except Error as error:
            return _failed(call, error)
        except Exception:
            LOG.exception(
                "board %s operation %s: %s broke", self._board, call.operation, procedure.name
            )
            return _ended(call, "failed", "internal", "the agent failed; its log says why")
        finally:
            if limit.active():
                limit.cancel()


def _said(wire: object) -> str:
    say = wire.get("say", "") if isinstance(wire, Mapping) else None
    if not isinstance(say, str) or len(say) > MAX_TEXT:
        raise BadMessage(f"{names.AGENT_PING}: a text of at most {MAX_TEXT} characters")
    return say


async def _coroutine(procedure: Procedure, call: OperationCall) -> Any:
    return await procedure.run(call)


def _within_bounds(call: OperationCall, message: Any) -> OperationAnswer:
    """Make the answer, or one that says why this message cannot travel."""
    try:
        size = len(msgpack.packb(message, use_bin_type=True))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        return _ended(call, "failed", "internal", f"the result cannot be sent: {error}")
    if size > MAX_MESSAGE_BYTES - ENVELOPE_BYTES:
        return _ended(
            call,
            "failed",
            "result_too_large",
            f"the result has {size} bytes, {MAX_MESSAGE_BYTES - ENVELOPE_BYTES} can travel",
        )
    return OperationAnswer(operation=call.operation, state="succeeded", message=message)


def _ended(call: OperationCall, state: str, code: str, message: str) -> OperationAnswer:
    return OperationAnswer(
        operation=call.operation, state=state, cause={"code": code, "message": message}
    )


def _still_running(call: OperationCall) -> OperationAnswer:
    return OperationAnswer(operation=call.operation, state="running", message="RUNNING")


def _failed(call: OperationCall, error: Error) -> OperationAnswer:
    code = str(error.details.get("code", error.code)) if type(error) is Error else error.code
    state = "failed"
    if code in TIMED_OUT:
        state = "timed_out"
    elif code in REJECTED:
        state = "rejected"
    cause = {**error.details, "code": code, "message": error.message[:MAX_CAUSE_BYTES]}
    if len(repr(cause)) > MAX_CAUSE_BYTES:
        cause = {"code": code, "message": error.message[:1000], "details_dropped": True}
    return OperationAnswer(operation=call.operation, state=state, cause=cause)
