"""Routes of boards."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from operator import attrgetter
from typing import Any

from iotronic_mec import geo
from iotronic_mec.api import links
from iotronic_mec.api.controller import Answer, Call
from iotronic_mec.api.lent import passes
from iotronic_mec.api.listing import Listing
from iotronic_mec.clock import iso
from iotronic_mec.errors import BadRequest
from iotronic_mec.feature import Route
from iotronic_mec.features.board import store
from iotronic_mec.features.board.model import Board, BoardNotFound
from iotronic_mec.features.board.schema import (
    BoardCreate,
    BoardList,
    BoardListQuery,
    BoardQuery,
    BoardShape,
    BoardUpdate,
    CodeShape,
    FieldsQuery,
    MayPingShape,
    NewCode,
    PingBody,
    PingShape,
)
from iotronic_mec.features.fleet import store as fleet_store
from iotronic_mec.page import Page

DEFAULT_FIELDS = (
    "uuid",
    "name",
    "code",
    "status",
    "session",
    "type",
    "fleet",
    "lr_version",
    "connectivity",
    "agent",
    "wstun_ip",
    "links",
)
"""What a list shows. Source: spec/iotronic-api.md section 2.2."""

FIELDS = tuple(name for name in BoardShape.model_fields if name != "enrol_url")
SORTABLE = frozenset(
    {"uuid", "name", "type", "status", "lr_version", "mobile", "created_at", "updated_at"}
)


def show(call: Call) -> dict[str, Any]:
    """Show one board."""
    return LISTING.show(call, _get(call, lent="board.get"))


def create(call: Call) -> Answer:
    """Register a board."""
    given = call.body.model_dump()
    made = call.ask("board", "create", **given)
    body = _present(call, _get(call, made["uuid"]))
    body |= {"code": made["code"], "enrol_url": call.settings.wamp_url}
    return Answer(body=body, headers={"Location": links.location(call, "boards", made["uuid"])})


def update(call: Call) -> dict[str, Any]:
    """Change a board."""
    given = call.body.model_dump(include=call.body.model_fields_set)
    for field in ("name", "mobile"):
        if field in given and given[field] is None:
            raise BadRequest(f"{field}: must not be null", details={"field": field})
    for field, empty in (("extra", {}), ("labels", {}), ("location", [])):
        if field in given and given[field] is None:
            given[field] = empty
    found = _get(call)
    call.ask("board", "update", board=found.uuid, values=given)
    return _present(call, _get(call, found.uuid))


def delete(call: Call) -> None:
    """Delete a board."""
    call.ask("board", "delete", board=call.path["board"])


def new_code(call: Call) -> Answer:
    """Give a board a new enrolment code."""
    made = call.ask("board", "new_code", board=call.path["board"], code=call.body.code)
    return Answer(
        body={"uuid": made["uuid"], "code": made["code"], "enrol_url": call.settings.wamp_url},
        headers={"Location": links.location(call, "boards", made["uuid"])},
    )


def may_ping(call: Call) -> dict[str, Any]:
    """Say that the caller may ping the board: the gateway asks this."""
    with call.database.read() as connection:
        target = store.find_target(
            connection,
            call.context.project,
            call.path["board"],
            every=call.context.is_admin,
        )
    return {"board": target.uuid, "status": target.status, "agent": target.agent}


def ping(call: Call) -> dict[str, Any]:
    """Have a board send a text back; where a gateway stands in front, it does this."""
    say = "" if call.body is None else call.body.say
    done: dict[str, Any] = call.ask("board", "ping", board=call.path["board"], say=say)
    return done


def _get(call: Call, ident: str | None = None, *, lent: str | None = None) -> Board:
    """Return a board of the project, or one that a grant lends for ``lent``."""
    ident = ident or call.path["board"]
    context = call.context
    try:
        with call.database.read() as connection:
            return store.get_board(connection, context.project, ident, every=context.is_admin)
    except BoardNotFound:
        if lent is None or not passes(call, "board", ident, lent):
            raise
    with call.database.read() as connection:
        return store.get_board(connection, context.project, ident, every=True)


def _rows(call: Call, connection: Any, page: Page) -> Sequence[Board]:
    query: BoardQuery = call.query
    project = call.context.project
    if query.project is not None and query.project != project:
        if not call.allows("iot:board:get_all"):
            raise BadRequest(
                "project: only administrators may name another", details={"field": "project"}
            )
        project = query.project
    labels = {} if query.label is None else dict(_pair(term) for term in query.label.split(","))
    named = call.path.get("fleet") or getattr(query, "fleet", None)
    fleet = None if named is None else _fleet(call, connection, project, named)
    near = None if query.near is None else geo.circle(*map(float, query.near.split(",")))
    return store.list_page(
        connection,
        project,
        page,
        status=query.status,
        fleet=fleet,
        labels=labels,
        near=near,
        shown=page.fields,
    )


def _fleet(call: Call, connection: Any, project: str, fleet: str) -> str:
    """Return a fleet's uuid; of another project only for administrators, by uuid."""
    every = call.context.is_admin
    return fleet_store.get_fleet(connection, project, fleet, every=every).uuid


def _pair(term: str) -> tuple[str, str]:
    key, _, value = term.partition("=")
    return key, value


def _present(call: Call, board: Board, fields: Collection[str] = FIELDS) -> dict[str, Any]:
    """Return a board as JSON; IoTronic's names, then ours."""
    return _presenter(call, fields)(board)


def _presenter(call: Call, fields: Collection[str]) -> Callable[[Board], dict[str, Any]]:
    """Return what makes the JSON of each board of a list."""
    makers = {**_MADE, "links": links.linker(call, "boards")}
    plain = tuple(name for name in fields if name not in makers)
    made = [(name, makers[name]) for name in fields if name in makers]
    values = attrgetter("uuid", *plain)

    def present(board: Board) -> dict[str, Any]:
        item = dict(zip(plain, values(board)[1:], strict=True))
        for name, make in made:
            item[name] = make(board)
        return item

    return present


def _location(board: Board) -> list[dict[str, str | None]]:
    return [
        {
            "longitude": place.longitude,
            "latitude": place.latitude,
            "altitude": place.altitude,
            "updated_at": iso(place.updated_at),
        }
        for place in board.location
    ]


_MADE: dict[str, Callable[[Board], Any]] = {
    "code": lambda board: None,
    "wstun_ip": lambda board: None,
    "mac_addr": lambda board: board.connectivity.get("mac") or board.connectivity.get("mac_addr"),
    "location": _location,
    "status_at": lambda board: iso(board.status_at),
    "created_at": lambda board: iso(board.created_at),
    "updated_at": lambda board: iso(board.updated_at),
}
"""Fields that are not a board's own as they are; the others are."""


LISTING = Listing(
    plural="boards",
    fields=FIELDS,
    default=DEFAULT_FIELDS,
    sortable=SORTABLE,
    rows=_rows,
    present=_present,
    presenter=_presenter,
)

ROUTES = (
    *LISTING.routes(policy="iot:board:get", query=BoardListQuery, answer=BoardList),
    *LISTING.routes(
        policy="iot:board:get",
        query=BoardQuery,
        answer=BoardList,
        path="/v1/fleets/{fleet}/boards",
        noun="the boards of a fleet",
    ),
    Route(
        method="POST",
        path="/v1/boards",
        handler=create,
        policy="iot:board:create",
        summary="Register a board",
        body=BoardCreate,
        answer=BoardShape,
        status=201,
        errors=(404, 409),
    ),
    Route(
        method="GET",
        path="/v1/boards/{board}",
        handler=show,
        policy="iot:board:get",
        summary="Show a board",
        query=FieldsQuery,
        answer=BoardShape,
    ),
    Route(
        method="PATCH",
        path="/v1/boards/{board}",
        handler=update,
        policy="iot:board:update",
        summary="Change a board",
        body=BoardUpdate,
        answer=BoardShape,
        errors=(409,),
    ),
    Route(
        method="DELETE",
        path="/v1/boards/{board}",
        handler=delete,
        policy="iot:board:delete",
        summary="Delete a board",
        status=204,
        errors=(409,),
    ),
    Route(
        method="POST",
        path="/v1/boards/{board}/enrolment-code",
        handler=new_code,
        policy="iot:board:enrolment_code",
        summary="Give a board a new enrolment code",
        body=NewCode,
        answer=CodeShape,
        status=201,
        errors=(409,),
    ),
    Route(
        method="GET",
        path="/healthcheck/boards/{board}",
        handler=may_ping,
        policy="iot:board:ping",
        summary="Say whether the caller may ping a board",
        answer=MayPingShape,
    ),
    Route(
        method="POST",
        path="/healthcheck/boards/{board}",
        handler=ping,
        policy="iot:board:ping",
        summary="Send a text to a board and back, on the short road",
        body=PingBody,
        answer=PingShape,
        errors=(409, 504),
    ),
)
