"""Routes of web services."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from iotronic_mec.api import links
from iotronic_mec.api.controller import Answer, Call
from iotronic_mec.api.listing import Listing
from iotronic_mec.clock import iso
from iotronic_mec.feature import Route
from iotronic_mec.features.board import store as board_store
from iotronic_mec.features.webservice import store
from iotronic_mec.features.webservice.model import Webservice
from iotronic_mec.features.webservice.schema import (
    FieldsQuery,
    WebserviceCreate,
    WebserviceList,
    WebserviceQuery,
    WebserviceShape,
)
from iotronic_mec.page import Page

DEFAULT_FIELDS = ("uuid", "name", "port", "board_uuid", "extra", "links")
"""What a list shows. Source: spec/iotronic-api.md section 2.6."""

FIELDS = tuple(WebserviceShape.model_fields)
SORTABLE = frozenset({"uuid", "name", "port", "secure", "state", "created_at", "updated_at"})


def show(call: Call) -> dict[str, Any]:
    """Show one web service."""
    return LISTING.show(call, _get(call, call.path["webservice"]))


def create(call: Call) -> Answer:
    """Publish a web server of a board."""
    uuid = call.ask("webservice", "create", board=call.path["board"], **call.body.model_dump())
    where = links.location(call, "webservices", uuid)
    return Answer(body=LISTING.whole(call, _get(call, uuid)), headers={"Location": where})


def delete(call: Call) -> None:
    """Withdraw a web service."""
    call.ask("webservice", "delete", webservice=call.path["webservice"])


def _get(call: Call, ident: str) -> Webservice:
    context = call.context
    with call.database.read() as connection:
        return store.get_webservice(connection, context.project, ident, every=context.is_admin)


def _rows(call: Call, connection: Any, page: Page) -> Sequence[Webservice]:
    return store.list_page(connection, page, project=call.context.project)


def _rows_of_board(call: Call, connection: Any, page: Page) -> Sequence[Webservice]:
    context = call.context
    board = board_store.find_target(
        connection, context.project, call.path["board"], every=context.is_admin
    )
    return store.list_page(connection, page, board_uuid=board.uuid)


def _present(call: Call, webservice: Webservice, fields: Collection[str] = ()) -> dict[str, Any]:
    del fields  # all of them are at hand
    return {
        "uuid": webservice.uuid,
        "name": webservice.name,
        "port": webservice.port,
        "board_uuid": webservice.board,
        "project": webservice.project,
        "secure": webservice.secure,
        "host": webservice.host,
        "extra": webservice.extra,
        "state": webservice.state,
        "cause": webservice.cause,
        "driver": call.settings.reach.proxy_driver,
        "created_at": iso(webservice.created_at),
        "updated_at": iso(webservice.updated_at),
        "links": links.links(call, "webservices", webservice.uuid),
    }


LISTING = Listing(
    plural="webservices",
    fields=FIELDS,
    default=DEFAULT_FIELDS,
    sortable=SORTABLE,
    rows=_rows,
    present=_present,
)

ON_BOARD = replace(LISTING, rows=_rows_of_board).routes(
    path="/v1/boards/{board}/webservices",
    noun="the web services of a board",
    policy="iot:webservice:get",
    query=WebserviceQuery,
    answer=WebserviceList,
)

ROUTES = (
    *LISTING.routes(
        noun="web services",
        policy="iot:webservice:get",
        query=WebserviceQuery,
        answer=WebserviceList,
    ),
    *ON_BOARD,
    replace(
        ON_BOARD[1],
        path="/v1/boards/{board}/webservicesdetail",
        summary="List the web services of a board with all fields (the client's spelling)",
    ),
    Route(
        method="PUT",
        path="/v1/boards/{board}/webservices",
        handler=create,
        policy="iot:webservice:create",
        summary="Publish a web server of a board",
        body=WebserviceCreate,
        answer=WebserviceShape,
        status=201,
        errors=(409, 502),
    ),
    Route(
        method="GET",
        path="/v1/webservices/{webservice}",
        handler=show,
        policy="iot:webservice:get_one",
        summary="Show a web service",
        query=FieldsQuery,
        answer=WebserviceShape,
    ),
    Route(
        method="DELETE",
        path="/v1/webservices/{webservice}",
        handler=delete,
        policy="iot:webservice:delete",
        summary="Withdraw a web service",
        status=204,
    ),
)
