"""Routes of virtual ports."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from iotronic_mec.api import links
from iotronic_mec.api.controller import Answer, Call
from iotronic_mec.api.listing import Listing
from iotronic_mec.clock import iso
from iotronic_mec.errors import BadRequest
from iotronic_mec.feature import Route
from iotronic_mec.features.board import store as board_store
from iotronic_mec.features.virtual_port import store
from iotronic_mec.features.virtual_port.model import VirtualPort
from iotronic_mec.features.virtual_port.schema import (
    AttachBody,
    FieldsQuery,
    PortList,
    PortQuery,
    PortShape,
)
from iotronic_mec.page import Page

DEFAULT_FIELDS = (
    "uuid",
    "board_uuid",
    "VIF_name",
    "MAC_add",
    "vif_name",
    "mac_add",
    "ip",
    "network",
    "state",
    "links",
)
"""What a list shows: IoTronic's names, and in lower case what its client's table reads.
Source: spec/iotronic-api.md sections 2.7 and 5.3."""

FIELDS = tuple(PortShape.model_fields)
COLUMNS = {"VIF_name": "tcp_port", "vif_name": "tcp_port", "MAC_add": "mac", "mac_add": "mac"}
"""Sort keys whose column has another name."""

SORTABLE = frozenset({"uuid", "ip", "network", "state", "created_at", "updated_at", *COLUMNS})


def show(call: Call) -> dict[str, Any]:
    """Show one port."""
    return LISTING.show(call, _get(call, call.path["port"]))


def attach(call: Call) -> Answer:
    """Attach a board to a network."""
    uuid = call.ask("virtual_port", "attach", board=call.path["board"], **call.body.model_dump())
    where = links.location(call, "ports", uuid)
    return Answer(body=LISTING.whole(call, _get(call, uuid)), headers={"Location": where})


def detach(call: Call) -> None:
    """Take a board off a network."""
    call.ask("virtual_port", "detach", port=call.path["port"], board=call.path.get("board"))


def _get(call: Call, ident: str) -> VirtualPort:
    context = call.context
    with call.database.read() as connection:
        board = _board(call, connection) if "board" in call.path else ""
        return store.get_port(
            connection, context.project, ident, every=context.is_admin, board_uuid=board
        )


def _board(call: Call, connection: Any) -> str:
    context = call.context
    return board_store.find_target(
        connection, context.project, call.path["board"], every=context.is_admin
    ).uuid


def _rows(call: Call, connection: Any, page: Page) -> Sequence[VirtualPort]:
    page = replace(page, sort_key=COLUMNS.get(page.sort_key, page.sort_key))
    if "board" in call.path:
        return store.list_page(connection, page, board_uuid=_board(call, connection))
    query: PortQuery = call.query
    if query.all_ports and not call.allows("iot:port_on_board:get_all"):
        raise BadRequest(
            "all_ports: only administrators may see all", details={"field": "all_ports"}
        )
    project = None if query.all_ports else call.context.project
    return store.list_page(connection, page, project=project)


def _present(call: Call, port: VirtualPort, fields: Collection[str] = ()) -> dict[str, Any]:
    del fields  # all of them are at hand
    return {
        "uuid": port.uuid,
        "board_uuid": port.board,
        "project": port.project,
        "VIF_name": port.vif_name,
        "MAC_add": port.mac,
        "vif_name": port.vif_name,
        "mac_add": port.mac,
        "ip": port.ip,
        "prefix_length": port.prefix_length,
        "network": port.subnet or port.network,
        "network_uuid": port.network,
        "subnet_uuid": port.subnet,
        "security_groups": list(port.security_groups),
        "external": port.external,
        "extra": {},
        "state": port.state,
        "cause": port.cause,
        "driver": call.settings.reach.network_driver,
        "created_at": iso(port.created_at),
        "updated_at": iso(port.updated_at),
        "links": links.links(call, "ports", port.uuid),
    }


LISTING = Listing(
    plural="ports",
    fields=FIELDS,
    default=DEFAULT_FIELDS,
    sortable=SORTABLE,
    rows=_rows,
    present=_present,
)

ROUTES = (
    *LISTING.routes(policy="iot:port_on_board:get", query=PortQuery, answer=PortList),
    *LISTING.routes(
        path="/v1/boards/{board}/ports",
        noun="the ports of a board",
        policy="iot:port_on_board:get",
        query=PortQuery,
        answer=PortList,
    ),
    Route(
        method="GET",
        path="/v1/ports/{port}",
        handler=show,
        policy="iot:port_on_board:get",
        summary="Show a port",
        query=FieldsQuery,
        answer=PortShape,
    ),
    Route(
        method="DELETE",
        path="/v1/ports/{port}",
        handler=detach,
        policy="iot:port_on_board:delete",
        summary="Take a board off a network, by the port",
        status=204,
    ),
    Route(
        method="PUT",
        path="/v1/boards/{board}/ports",
        handler=attach,
        policy="iot:port_on_board:create",
        summary="Attach a board to a network",
        body=AttachBody,
        answer=PortShape,
        errors=(409, 502),
    ),
    Route(
        method="GET",
        path="/v1/boards/{board}/ports/{port}",
        handler=show,
        policy="iot:port_on_board:get",
        summary="Show a port of a board",
        query=FieldsQuery,
        answer=PortShape,
    ),
    Route(
        method="DELETE",
        path="/v1/boards/{board}/ports/{port}",
        handler=detach,
        policy="iot:port_on_board:delete",
        summary="Take a board off a network",
        status=204,
    ),
)
