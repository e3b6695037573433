"""What an order and its operations are.

A *request* is one order; an *operation* (IoTronic: *result*) is its part on
one board. Both move through the states of :mod:`iotronic_mec.operation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Any

import orjson

from iotronic_mec.context import Context
from iotronic_mec.errors import (
    BoardLost,
    BoardOffline,
    Busy,
    Error,
    NotFound,
    RouterUnavailable,
    TooLarge,
)
from iotronic_mec.lent import Lent
from iotronic_mec.operation import (
    FAILED,
    LOST,
    QUEUED,
    REJECTED,
    RUNNING,
    SUCCEEDED,
    TIMED_OUT,
    cause,
)
from lightning_agent.protocol import errors as protocol_errors
from lightning_agent.protocol.messages import OperationAnswer, OperationCall


class RequestNotFound(NotFound):
    """There is no such request."""

    code = "iot.request.not_found"


class OperationFailed(Error):
    """The board carried the operation out and it went wrong."""

    code = "iot.operation.failed"
    http_status = 500


class OperationTimedOut(Error):
    """The operation was not finished within its time."""

    code = "iot.operation.timed_out"
    http_status = 504


class OperationRejected(Error):
    """The board did not carry the operation out."""

    code = "iot.operation.rejected"
    http_status = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One order.

    ``kind`` is IoTronic's type: 0 for one board, 1 for the boards of a fleet;
    ``board`` is then the fleet's uuid. ``total``: how many boards, ``pending``:
    how many of them have not ended. ``deadline_at``: after this moment (and a
    grace) an open request is ended as timed out or lost.
    """

    uuid: str
    project: str
    user: str
    board: str
    action: str
    state: str
    kind: int = 0
    main_request: str | None = None
    pending: int = 1
    total: int = 1
    cause: dict[str, Any] | None = None
    created_at: datetime
    updated_at: datetime | None = None
    deadline_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One board's part of a request."""

    uuid: str
    request: str
    project: str
    user: str
    board: str
    action: str
    procedure: str
    parameters: dict[str, Any] = field(default_factory=dict)
    state: str
    message: Any = None
    cause: dict[str, Any] | None = None
    created_at: datetime
    finished_at: datetime | None = None
    deadline_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a feature asks the request feature to have done on one board.

    :param agent: wamp agent the board is bound to, ``None`` before its first join
    :param parameters: what the board gets; no secrets, they are stored
    :param timeout_s: seconds the board has, > 0
    :param lent: what lets it pass on another project's things
    :param life_s: seconds until its end must be known, where the board answers that it
        runs and reports the end later; ``None``: ``timeout_s``
    :param record_first: store the order before it is sent; for orders that
        change the board
    """

    board: str
    agent: str | None
    board_project: str
    action: str
    procedure: str
    parameters: dict[str, Any] = field(default_factory=dict)
    timeout_s: float
    lent: tuple[Lent, ...] = ()
    record_first: bool = False
    life_s: float | None = None


ONE_BOARD = 0
FLEET = 1
"""Kinds of requests. Source: spec/iotronic-api.md section 2.9."""

FLEET_SENDERS = 16
"""Threads that send the orders of fleets, beside the others: a large fleet of
silent boards keeps nobody else waiting."""


FAILURES: dict[str, type[Error]] = {
    FAILED: OperationFailed,
    TIMED_OUT: OperationTimedOut,
    REJECTED: OperationRejected,
    LOST: BoardLost,
}
"""What a caller who waits is told when an operation ends so."""

_BY_CODE: dict[str, type[Error]] = {
    BoardOffline.code: BoardOffline,
    RouterUnavailable.code: RouterUnavailable,
    Busy.code: Busy,
    TooLarge.code: TooLarge,
    "busy": Busy,
    protocol_errors.Busy.uri: Busy,
    protocol_errors.TooLarge.uri: TooLarge,
}
"""Causes of a rejection that say more than that it was rejected."""


def request_of(part: Operation) -> Request:
    """Return the request of an operation that is its only one."""
    return Request(
        uuid=part.request,
        project=part.project,
        user=part.user,
        board=part.board,
        action=part.action,
        state=part.state,
        created_at=part.created_at,
        deadline_at=part.deadline_at,
    )


def fleet_life_s(online: int, turn_s: float) -> float:
    """Return how long an order to a fleet may take: each board has its time once its turn comes.

    :param online: how many boards are sent to
    :param turn_s: what one board has, seconds
    """
    return (ceil(online / FLEET_SENDERS) + 1) * turn_s


def new_fleet_request(
    context: Context,
    fleet: str,
    project: str,
    action: str,
    total: int,
    now: datetime,
    life_s: float,
) -> Request:
    """Return a new order to the boards of a fleet.

    :param fleet: its uuid
    :param project: the fleet's
    :param total: how many boards
    :param life_s: seconds until all must have ended
    """
    return Request(
        uuid=context.new_uuid("request"),
        project=project,
        user=context.user,
        board=fleet,
        action=action,
        state=QUEUED,
        kind=FLEET,
        pending=total,
        total=total,
        created_at=now,
        deadline_at=now + timedelta(seconds=life_s),
    )


def new_fleet_part(
    context: Context,
    request: Request,
    board: str,
    procedure: str,
    parameters: dict[str, Any],
    now: datetime,
) -> Operation:
    """Return one board's part of an order to a fleet."""
    return Operation(
        uuid=context.new_uuid(f"operation:{board}"),
        request=request.uuid,
        project=request.project,
        user=request.user,
        board=board,
        action=request.action,
        procedure=procedure,
        parameters=parameters,
        state=QUEUED,
        created_at=now,
        deadline_at=request.deadline_at,
    )


def told_of_fleet(request: Request) -> dict[str, Any]:
    """Return what the sender of an order to a fleet is told: ``request``, ``state``, counts."""
    return {
        "request": request.uuid,
        "state": request.state,
        "total": request.total,
        "pending": request.pending,
    }


def refused(part: Operation, error: Error, now: datetime) -> Operation:
    """Return an operation that ended before it began; its board has no part in it."""
    told = cause(str(error.to_wire()["code"]), error.message)
    return replace(part, state=REJECTED, cause=told, finished_at=now)


def waiting(part: Operation) -> Operation:
    """Return an operation as it was before it ended."""
    return replace(part, state=QUEUED, cause=None, finished_at=None)


def reported(board: str, call: OperationCall, now: datetime) -> Operation:
    """Return an operation that only the board's journal knows, as it was ordered."""
    return Operation(
        uuid=call.operation,
        request=call.request,
        project=call.project,
        user=call.user[:64],
        board=board,
        action=call.action[:40],
        procedure="",
        state=RUNNING,
        created_at=now,
        deadline_at=now,
    )


def overdue_end(part: Operation) -> tuple[str, dict[str, Any]]:
    """Say how an overdue operation ends, and why."""
    if part.state == QUEUED:
        return TIMED_OUT, cause("not_sent", "it waited for its turn until its time was over")
    return LOST, cause("no_report", "the board never said how it ended")


def failure_of(ended: Operation) -> Error:
    """Return the error a caller who waits is told."""
    told = ended.cause or {}
    kind = FAILURES.get(ended.state, BoardLost)
    if ended.state == REJECTED:
        kind = _BY_CODE.get(str(told.get("code", "")), kind)
    message = str(told.get("message") or f"{ended.action}: {ended.state}")
    return kind(message, details={"request": ended.request, "cause": told, "state": ended.state})


def call_of(
    part: Operation, parameters: dict[str, Any], timeout_s: float, request_id: str
) -> OperationCall:
    """Return an operation as its board is told of it."""
    return OperationCall(
        operation=part.uuid,
        request=part.request,
        action=part.action,
        project=part.project,
        user=part.user,
        remaining_s=timeout_s,
        parameters=parameters,
        request_id=request_id,
    )


def withdrawn(part: Operation, now: datetime) -> Operation:
    """Return an operation that was not sent, since what was granted for it is no more."""
    told = cause("iot.grant.ended", "the grant under which it was ordered has ended")
    return replace(part, state=REJECTED, cause=told, finished_at=now)


def ended_as(part: Operation, answer: OperationAnswer, now: datetime) -> Operation:
    """Return the operation as the board's answer says.

    One that is another operation's, or holds what JSON cannot (bytes, keys
    that are no text) and so could not be stored, ends it as failed.
    """
    problem = _problem(part, answer)
    if problem is not None:
        told = cause("bad_answer", problem)
        return replace(part, state=FAILED, cause=told, finished_at=now)
    if answer.state == "running":
        return replace(part, state=RUNNING)
    return replace(
        part, state=answer.state, message=answer.message, cause=answer.cause, finished_at=now
    )


def _problem(part: Operation, answer: OperationAnswer) -> str | None:
    if answer.operation != part.uuid:
        return "OperationAnswer.operation: the answer of another operation"
    try:
        orjson.dumps((answer.message, answer.cause))
    except TypeError as error:
        return f"OperationAnswer: no JSON: {error}"
    return None


def sum_of(counts: Mapping[str, int]) -> tuple[str, dict[str, Any] | None]:
    """Say how a request for many boards ended, from how often each end occurred.

    Succeeded when all have; otherwise the one other end if all ended alike, else
    failed. The cause counts them, its code is ``partial`` when some succeeded.
    """
    total, good = sum(counts.values()), counts.get(SUCCEEDED, 0)
    if good == total:
        return SUCCEEDED, None
    ended = {state: number for state, number in sorted(counts.items()) if number}
    words = ", ".join(f"{number} {state}" for state, number in ended.items())
    state = next(iter(ended)) if len(ended) == 1 else FAILED
    code = "partial" if good else "none_succeeded"
    return state, cause(code, f"of {total} boards: {words}", counts=ended)
