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
    case,
    delete,
    func,
    insert,
    select,
    update,
)

from iotronic_mec.db import keyset, tally
from iotronic_mec.db.prepared import Prepared
from iotronic_mec.features.request.model import (
    FLEET,
    ONE_BOARD,
    Operation,
    Request,
    RequestNotFound,
    sum_of,
)
from iotronic_mec.features.request.table import is_open, operation, request
from iotronic_mec.operation import MACHINE, OPEN, QUEUED, RUNNING
from iotronic_mec.page import Page

_REQUEST_COLUMNS = (
    "uuid project user board action kind main_request pending total state version cause"
    " deadline_at created_at updated_at"
).split()
_OPERATION_COLUMNS = (
    "uuid board procedure parameters state version message cause finished_at created_at updated_at"
).split()
_INSERT_REQUEST = Prepared(insert(request), *_REQUEST_COLUMNS)
_OF_REQUEST = select(request.c.id).where(request.c.uuid == bindparam("of_request"))
_INSERT_OPERATION = Prepared(
    insert(operation).values(
        request_id=_OF_REQUEST.scalar_subquery(),
        **{name: bindparam(name) for name in _OPERATION_COLUMNS},
    )
)


def insert_order(connection: Connection, order: Request, *parts: Operation) -> None:
    """Write a request and its operations, in whatever state they are."""
    _INSERT_REQUEST.send(connection, **_request_values(order))
    for part in parts:
        _INSERT_OPERATION.send(connection, **_operation_values(part))


def insert_request(connection: Connection, order: Request) -> None:
    """Write a request alone; what it breaks is raised here."""
    _INSERT_REQUEST.rows(connection, **_request_values(order))


def insert_operation(connection: Connection, part: Operation) -> None:
    """Write an operation of a request that is there; what it breaks is raised here."""
    _INSERT_OPERATION.rows(connection, **_operation_values(part))


def _request_values(order: Request) -> dict[str, Any]:
    return {
        "uuid": order.uuid,
        "project": order.project,
        "user": order.user,
        "board": order.board,
        "action": order.action,
        "kind": order.kind,
        "main_request": order.main_request,
        "pending": order.pending,
        "total": order.total,
        "state": order.state,
        "version": 1,
        "cause": order.cause,
        "deadline_at": order.deadline_at,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
    }


def _operation_values(part: Operation) -> dict[str, Any]:
    return {
        "uuid": part.uuid,
        "of_request": part.request,
        "board": part.board,
        "procedure": part.procedure,
        "parameters": part.parameters,
        "state": part.state,
        "version": 1,
        "message": _dump(part.message),
        "cause": part.cause,
        "finished_at": part.finished_at,
        "created_at": part.created_at,
        "updated_at": part.finished_at,
    }


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
        .where(request.c.id == _request_of(uuid), is_open(request.c.state))
        .values(
            # of many operations one that moves says only that the request runs
            state=case((request.c.kind == FLEET, RUNNING), else_=state),
            version=request.c.version + 1,
            updated_at=now,
        )
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
        .where(operation.c.uuid == uuid, is_open(operation.c.state))
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
    alone = connection.execute(
        update(request)
        .where(
            request.c.id == _request_of(uuid),
            is_open(request.c.state),
            request.c.kind == ONE_BOARD,
        )
        .values(
            state=state,
            version=request.c.version + 1,
            pending=request.c.pending - 1,
            cause=cause,
            updated_at=now,
        )
    )
    if alone.rowcount != 1:
        _count_down(connection, uuid, now)
    return True


def _count_down(connection: Connection, uuid: str, now: datetime) -> None:
    """Count one operation of many as ended, under the row's lock; the last ends the request."""
    connection.execute(
        update(request)
        .where(request.c.id == _request_of(uuid), is_open(request.c.state))
        .values(pending=request.c.pending - 1, version=request.c.version + 1, updated_at=now)
    )
    found = connection.execute(
        select(request.c.id, request.c.pending).where(
            request.c.id == _request_of(uuid), is_open(request.c.state)
        )
    ).first()
    if found is None or found.pending > 0:
        return
    rows = connection.execute(
        select(operation.c.state, func.count().label("number"))
        .where(operation.c.request_id == found.id)
        .group_by(operation.c.state)
    )
    state, told = sum_of({row.state: row.number for row in rows})
    connection.execute(
        update(request)
        .where(request.c.id == found.id, is_open(request.c.state))
        .values(state=state, cause=told)
    )


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
        .where(is_open(request.c.state), operation.c.state == QUEUED)
        .order_by(request.c.id, operation.c.id)
        .limit(limit)
    )
    return [_operation(row) for row in rows]


def list_open(connection: Connection, board: str | None = None) -> list[Operation]:
    """Return operations that have no end yet, of one board or of all."""
    query = _operations().where(is_open(operation.c.state)).order_by(operation.c.id)
    if board is not None:
        query = query.where(operation.c.board == board)
    return [_operation(row) for row in connection.execute(query)]


def list_overdue(connection: Connection, before: datetime, limit: int = 500) -> list[Operation]:
    """Return open operations whose deadline lies before a moment."""
    rows = connection.execute(
        _operations()
        .where(is_open(request.c.state), request.c.deadline_at < before)
        .order_by(operation.c.id)
        .limit(limit)
    )
    return [_operation(row) for row in rows]


def find_request(connection: Connection, uuid: str) -> Request | None:
    """Return one request of whatever project, or ``None``."""
    row = connection.execute(select(request).where(request.c.uuid == uuid)).first()
    return None if row is None else _request(row)


def get_request(connection: Connection, project: str | None, uuid: str) -> Request:
    """Return one request of a project; of any project for ``None``.

    :raises RequestNotFound: there is none, or it is another project's
    """
    found = find_request(connection, uuid)
    if found is None or project not in (None, found.project):
        raise RequestNotFound(f"request {uuid} could not be found")
    return found


def list_results(connection: Connection, request_uuid: str) -> list[Operation]:
    """Return the operations of one request and of its child requests."""
    rows = connection.execute(
        _operations()
        .where((request.c.uuid == request_uuid) | (request.c.main_request == request_uuid))
        .order_by(operation.c.id)
    )
    return [_operation(row) for row in rows]


def list_results_page(
    connection: Connection,
    request_uuid: str,
    page: Page,
    *,
    state: str | None = None,
    board: str | None = None,
) -> list[Operation]:
    """Return a page of the operations of a request and its child requests.

    :param state: only those in this state
    :param board: only those of this board
    :raises MarkerNotFound: the page's marker is no operation of these
    """
    scoped = _operations().where(
        (request.c.uuid == request_uuid) | (request.c.main_request == request_uuid)
    )
    filters = [] if state is None else [operation.c.state == state]
    if board is not None:
        filters.append(operation.c.board == board)
    return [_operation(row) for row in keyset.fetch(connection, scoped, operation, page, *filters)]


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
    values = {name: value for name, value in row._mapping.items() if name not in ("id", "version")}
    return Request(**{**values, "total": 1 if row.total is None else row.total})


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
    is_open(request.c.state),
)
"""Count a project's requests that have not ended."""
