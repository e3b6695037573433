"""Every query on requests and operations."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import (
    Connection,
    Row,
    Select,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from iotronic_mec.db import keyset, tally
from iotronic_mec.db.prepared import Prepared
from iotronic_mec.features.request.model import Operation, Request, RequestNotFound
from iotronic_mec.features.request.table import operation, request
from iotronic_mec.operation import MACHINE, OPEN, QUEUED
from iotronic_mec.page import Page

_INSERT_REQUEST = Prepared(
    insert(request),
    "uuid",
    "project",
    "user",
    "board",
    "action",
    "kind",
    "main_request",
    "pending",
    "state",
    "version",
    "cause",
    "deadline_at",
    "created_at",
    "updated_at",
)
_OPERATION_COLUMNS = (
    "uuid",
    "board",
    "procedure",
    "parameters",
    "state",
    "version",
    "message",
    "cause",
    "finished_at",
    "created_at",
    "updated_at",
)
_OF_REQUEST = select(request.c.id).where(request.c.uuid == bindparam("of_request"))
_INSERT_OPERATION = Prepared(
    insert(operation).values(
        request_id=_OF_REQUEST.scalar_subquery(),
        **{name: bindparam(name) for name in _OPERATION_COLUMNS},
    )
)


def insert_order(connection: Connection, order: Request, part: Operation) -> None:
    """Write a request and its one operation, in whatever state they are."""
    _INSERT_REQUEST.rows(
        connection,
        uuid=order.uuid,
        project=order.project,
        user=order.user,
        board=order.board,
        action=order.action,
        kind=order.kind,
        main_request=order.main_request,
        pending=order.pending,
        state=order.state,
        version=1,
        cause=order.cause,
        deadline_at=order.deadline_at,
        created_at=order.created_at,
        updated_at=order.updated_at,
    )
    _INSERT_OPERATION.rows(
        connection,
        uuid=part.uuid,
        of_request=order.uuid,
        board=part.board,
        procedure=part.procedure,
        parameters=part.parameters,
        state=part.state,
        version=1,
        message=_dump(part.message),
        cause=part.cause,
        finished_at=part.finished_at,
        created_at=part.created_at,
        updated_at=part.finished_at,
    )


def move(connection: Connection, uuid: str, state: str, now: datetime) -> bool:
    """Move an open operation and its request to another open state; compare-and-set.

    Only from a state the machine allows: of two that move an operation from
    queued to dispatched, one gets ``False`` and must not send it.
    """
    before = [present for present, moves in MACHINE.moves.items() if state in moves]
    changed = connection.execute(
        update(operation)
        .where(operation.c.uuid == uuid, operation.c.state.in_(before))
        .values(state=state, version=operation.c.version + 1, updated_at=now)
    )
    if changed.rowcount != 1:
        return False
    connection.execute(
        update(request)
        .where(request.c.id == _request_of(uuid), request.c.state.in_(OPEN))
        .values(state=state, version=request.c.version + 1, updated_at=now)
    )
    return True


def finish(
    connection: Connection,
    uuid: str,
    state: str,
    message: Any,
    cause: dict[str, Any] | None,
    now: datetime,
) -> bool:
    """End an open operation and, with its last one, the request.

    :returns: whether this call ended it; ``False`` when it had ended before
    """
    changed = connection.execute(
        update(operation)
        .where(operation.c.uuid == uuid, operation.c.state.in_(OPEN))
        .values(
            state=state,
            version=operation.c.version + 1,
            message=_dump(message),
            cause=cause,
            finished_at=now,
            updated_at=now,
        )
    )
    if changed.rowcount != 1:
        return False
    connection.execute(
        update(request)
        .where(request.c.id == _request_of(uuid), request.c.state.in_(OPEN))
        .values(
            state=state,
            version=request.c.version + 1,
            pending=request.c.pending - 1,
            cause=cause,
            updated_at=now,
        )
    )
    return True


def find_operation(connection: Connection, uuid: str) -> Operation | None:
    """Return one operation, or ``None``."""
    row = connection.execute(_operations().where(operation.c.uuid == uuid)).first()
    return None if row is None else _operation(row)


def known_states(connection: Connection, uuids: Iterable[str]) -> dict[str, str]:
    """Return the states of those of the operations that are recorded."""
    rows = connection.execute(
        select(operation.c.uuid, operation.c.state).where(operation.c.uuid.in_(list(uuids)))
    )
    return {row.uuid: row.state for row in rows}


def list_queued(connection: Connection, limit: int = 1000) -> list[Operation]:
    """Return operations accepted and not yet sent, oldest first."""
    rows = connection.execute(
        _operations()
        # the request's state has the index; without it every operation is read
        .where(request.c.state == QUEUED, operation.c.state == QUEUED)
        .order_by(request.c.id, operation.c.id)
        .limit(limit)
    )
    return [_operation(row) for row in rows]


def list_open(connection: Connection, board: str | None = None) -> list[Operation]:
    """Return operations that have no end yet, of one board or of all."""
    query = _operations().where(operation.c.state.in_(OPEN)).order_by(operation.c.id)
    if board is not None:
        query = query.where(operation.c.board == board)
    return [_operation(row) for row in connection.execute(query)]


def list_overdue(connection: Connection, before: datetime, limit: int = 500) -> list[Operation]:
    """Return open operations whose deadline lies before a moment."""
    rows = connection.execute(
        _operations()
        .where(request.c.state.in_(OPEN), request.c.deadline_at < before)
        .order_by(operation.c.id)
        .limit(limit)
    )
    return [_operation(row) for row in rows]


def get_request(connection: Connection, project: str | None, uuid: str) -> Request:
    """Return one request of a project; of any project for ``None``.

    :raises RequestNotFound: there is none, or it is another project's
    """
    query = select(request).where(request.c.uuid == uuid)
    if project is not None:
        query = query.where(request.c.project == project)
    row = connection.execute(query).first()
    if row is None:
        raise RequestNotFound(f"request {uuid} could not be found")
    return _request(row)


def list_results(connection: Connection, request_uuid: str) -> list[Operation]:
    """Return the operations of one request and of its child requests."""
    rows = connection.execute(
        _operations()
        .where((request.c.uuid == request_uuid) | (request.c.main_request == request_uuid))
        .order_by(operation.c.id)
    )
    return [_operation(row) for row in rows]


def prune(connection: Connection, before: datetime, limit: int) -> int:
    """Delete requests made before a moment that have ended; return how many.

    Their operations go with them.
    """
    old = (
        select(request.c.id)
        .where(request.c.created_at < before, request.c.state.not_in(OPEN))
        .order_by(request.c.created_at, request.c.id)
        .limit(limit)
    )
    keys = [row.id for row in connection.execute(old)]
    if keys:
        connection.execute(delete(request).where(request.c.id.in_(keys)))
    return len(keys)


def list_page(
    connection: Connection, project: str, page: Page, *, state: str | None = None
) -> list[Request]:
    """Return a page of a project's requests, and one more when there are more.

    :param state: only requests in this state
    :raises MarkerNotFound: the page's marker is no request of the project
    """
    scoped = select(request).where(request.c.project == project)
    # a filter, not the scope: the marker's state may have changed since its page
    filters = [] if state is None else [request.c.state == state]
    return [_request(row) for row in keyset.fetch(connection, scoped, request, page, *filters)]


def _request_of(uuid: str) -> Any:
    return select(operation.c.request_id).where(operation.c.uuid == uuid).scalar_subquery()


def _operations() -> Select[Any]:
    return select(
        operation,
        request.c.uuid.label("request_uuid"),
        request.c.project,
        request.c.user,
        request.c.action,
        request.c.deadline_at,
    ).join(request, request.c.id == operation.c.request_id)


def _request(row: Row[Any]) -> Request:
    return Request(
        uuid=row.uuid,
        project=row.project,
        user=row.user,
        board=row.board,
        action=row.action,
        state=row.state,
        kind=row.kind,
        main_request=row.main_request,
        pending=row.pending,
        cause=row.cause,
        created_at=row.created_at,
        updated_at=row.updated_at,
        deadline_at=row.deadline_at,
    )


def _operation(row: Row[Any]) -> Operation:
    return Operation(
        uuid=row.uuid,
        request=row.request_uuid,
        project=row.project,
        user=row.user,
        board=row.board,
        action=row.action,
        procedure=row.procedure,
        parameters=row.parameters,
        state=row.state,
        message=None if row.message is None else orjson.loads(row.message),
        cause=row.cause,
        created_at=row.created_at,
        finished_at=row.finished_at,
        deadline_at=row.deadline_at,
    )


def _dump(message: Any) -> str | None:
    return None if message is None else orjson.dumps(message).decode()


count_open = tally.rows_of(
    request,
    # not by the index of projects: a project keeps many requests that have ended
    func.coalesce(request.c.project, ""),
    or_(*(request.c.state == state for state in sorted(OPEN))),
)
"""Count a project's requests that have not ended."""
