"""What an order and its operations are.

A *request* is one order; an *operation* (IoTronic: *result*) is its part on
one board. Both move through the states of :mod:`iotronic_mec.operation`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from iotronic_mec.errors import Error, NotFound


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

    ``kind`` is IoTronic's type: 0 for one board. ``deadline_at``: after this
    moment (and a grace) an open request is ended as timed out or lost.
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
    record_first: bool = False
