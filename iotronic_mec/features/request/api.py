"""Routes of requests and their results."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from iotronic_mec.api import links
from iotronic_mec.api.controller import Call
from iotronic_mec.api.listing import Listing
from iotronic_mec.clock import iso
from iotronic_mec.feature import Route
from iotronic_mec.features.request import store
from iotronic_mec.features.request.model import Operation, Request, RequestNotFound
from iotronic_mec.features.request.schema import (
    RequestList,
    RequestQuery,
    RequestShape,
    ResultList,
    ResultQuery,
    ResultShape,
)
from iotronic_mec.operation import upstream_result, upstream_status
from iotronic_mec.page import Page

FIELDS = tuple(RequestShape.model_fields)
RESULT_FIELDS = tuple(ResultShape.model_fields)
SORTABLE = frozenset({"uuid", "action", "state", "created_at", "updated_at"})


def show(call: Call) -> dict[str, Any]:
    """Show one request."""
    return _present(call, _get(call))


def cancel(call: Call) -> None:
    """Cancel a request that has not been sent."""
    call.ask("request", "cancel", uuid=call.path["request"])


def results(call: Call) -> dict[str, Any]:
    """List the results of one request."""
    found = _get(call)

    def rows(call: Call, connection: Any, page: Page) -> Sequence[Operation]:
        query: ResultQuery = call.query
        return store.list_results_page(
            connection, found.uuid, page, state=query.state, board=query.board
        )

    return RESULTS.page(call, rows, RESULT_FIELDS)


def _get(call: Call) -> Request:
    """Return a request of the project, or one the caller gave under a grant."""
    ident = call.path["request"]
    try:
        with call.database.read() as connection:
            return store.get_request(connection, _project(call), ident)
    except RequestNotFound:
        if not call.ask("grant", "may_read_request", request=ident):
            raise
    with call.database.read() as connection:
        return store.get_request(connection, None, ident)


def _project(call: Call) -> str | None:
    return None if call.context.is_admin else call.context.project


def _rows(call: Call, connection: Any, page: Page) -> Sequence[Request]:
    return store.list_page(connection, call.context.project, page, state=call.query.state)


def _present(call: Call, request: Request, fields: Collection[str] = ()) -> dict[str, Any]:
    del fields  # all of them are at hand
    return {
        "uuid": request.uuid,
        "destination_uuid": request.board,
        "main_request_uuid": request.main_request,
        "pending_requests": request.pending,
        "total": request.total,
        "status": upstream_status(request.state),
        "project": request.project,
        "type": request.kind,
        "action": request.action,
        "state": request.state,
        "cause": request.cause,
        "user": request.user,
        "created_at": iso(request.created_at),
        "updated_at": iso(request.updated_at),
        "deadline_at": iso(request.deadline_at),
        "links": links.links(call, "requests", request.uuid),
    }


def _present_result(call: Call, part: Operation, fields: Collection[str] = ()) -> dict[str, Any]:
    del call, fields  # all of them are at hand
    told = (part.cause or {}).get("message", "")
    return {
        "uuid": part.uuid,
        "board_uuid": part.board,
        "request_uuid": part.request,
        "result": upstream_result(part.state),
        "message": told if part.message is None else part.message,
        "state": part.state,
        "cause": part.cause,
        "created_at": iso(part.created_at),
        "updated_at": iso(part.finished_at),
    }


LISTING = Listing(
    plural="requests", fields=FIELDS, sortable=SORTABLE, rows=_rows, present=_present
)

RESULTS = Listing(
    plural="results",
    fields=RESULT_FIELDS,
    sortable=frozenset({"uuid", "board", "state", "created_at", "updated_at"}),
    rows=lambda call, connection, page: (),
    present=_present_result,
)

ROUTES = (
    *LISTING.routes(policy="iot:request:get", query=RequestQuery, answer=RequestList),
    Route(
        method="GET",
        path="/v1/requests/{request}",
        handler=show,
        policy="iot:request:get_one",
        summary="Show a request",
        answer=RequestShape,
    ),
    Route(
        method="DELETE",
        path="/v1/requests/{request}",
        handler=cancel,
        policy="iot:request:cancel",
        summary="Cancel a request that has not been sent",
        status=204,
        errors=(409,),
    ),
    Route(
        method="GET",
        path="/v1/requests/{request}/results",
        handler=results,
        policy="iot:result:get",
        summary="List the results of a request",
        query=ResultQuery,
        answer=ResultList,
    ),
)
