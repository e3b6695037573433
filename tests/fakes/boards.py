"""Boards in memory that speak the real protocol, in place of the wamp agents."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from iotronic_mec import errors
from iotronic_mec.context import Context
from lightning_agent.protocol.messages import OperationAnswer, OperationCall, OperationRecord
from lightning_agent.protocol.names import AGENT_PING, PLUGIN_FOLLOW

EMPTY_LOG = {"lines": [], "after": 0, "missed": 0, "dropped": 0}
"""What a board says of a log nobody has written to."""

Answering = Callable[[OperationCall], OperationAnswer]


def succeed(message: Any = "done") -> Answering:
    """Return a board's behaviour: it carries everything out."""
    return lambda call: OperationAnswer(
        operation=call.operation, state="succeeded", message=message
    )


def end_as(state: str, code: str = "plugin_failed", message: str = "it broke") -> Answering:
    """Return a board's behaviour: it says that the work ended otherwise."""
    told = {"code": code, "message": message}
    return lambda call: OperationAnswer(operation=call.operation, state=state, cause=told)


def fail_with(error: Exception) -> Answering:
    """Return a behaviour: the call itself fails."""

    def answer(_call: OperationCall) -> OperationAnswer:
        raise error

    return answer


def lose_answer(error: Exception, message: Any = "done") -> Answering:
    """Return a behaviour: the board carries it out, and its answer is lost."""
    answer = succeed(message)
    answer.lost = error  # type: ignore[attr-defined]
    return answer


@dataclass(slots=True)
class FakeBoards:
    """What :class:`iotronic_mec.rpc.boards.Boards` is to commands.

    :param answer: what boards do with an order
    :param online: what the wamp agent says it holds, ``page`` boards at a time
    """

    answer: Answering = field(default_factory=succeed)
    online: dict[str, int] = field(default_factory=dict)
    page: int = 1000
    gone: bool = False
    calls: list[tuple[str, str, OperationCall]] = field(default_factory=list)
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    journal: dict[str, OperationRecord] = field(default_factory=dict)
    wire: Any = None
    called: threading.Event = field(default_factory=threading.Event)

    def call(
        self,
        context: Context,
        agent: str | None,
        board: str,
        procedure: str,
        message: dict[str, Any],
        timeout_s: float,
    ) -> Any:
        """Carry one order out as a board does: at most once, noted in its journal."""
        assert timeout_s > 0
        if procedure == AGENT_PING:
            return {"say": message["say"]}
        call = OperationCall.from_wire(message)
        self.calls.append((board, procedure, call))
        self.called.set()
        known = self.journal.get(call.operation)
        answer = known.answer if known else self.answer(call)
        if procedure == PLUGIN_FOLLOW and answer.message == "done":
            answer = replace(answer, message=EMPTY_LOG)
        self.journal[call.operation] = OperationRecord(call=call, answer=answer)
        lost = getattr(self.answer, "lost", None)
        if lost is not None:
            raise lost
        return answer.to_wire() if self.wire is None else self.wire

    def directory(self, context: Context, agent: str, method: str, **arguments: Any) -> Any:
        """Note what a wamp agent is told; tell what it holds."""
        self.told.append((method, arguments))
        if self.gone:
            raise errors.RouterUnavailable()
        if method != "online":
            return None
        further = sorted(board for board in self.online if board > arguments["after"])
        page = further[: self.page]
        following = page[-1] if len(page) == self.page else None
        return {"boards": {board: self.online[board] for board in page}, "next": following}

    def tell_all(self, context: Context, method: str, **arguments: Any) -> None:
        """Note what all wamp agents are told."""
        self.told.append((method, arguments))
