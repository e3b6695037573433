"""Routes of exposed services."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from iotronic_mec.api.controller import Call
from iotronic_mec.api.fields import Words
from iotronic_mec.api.listing import Listing
from iotronic_mec.clock import iso
from iotronic_mec.feature import Route
from iotronic_mec.features.board import store as board_store
from iotronic_mec.features.exposed_service import store
from iotronic_mec.features.exposed_service.model import Exposure
from iotronic_mec.features.exposed_service.schema import (
    ActionBody,
    ExposureList,
    ExposureQuery,
    ExposureShape,
    RestoreBody,
)
from iotronic_mec.page import Page

FIELDS = tuple(ExposureShape.model_fields)
SORTABLE = frozenset({"uuid", "public_port", "state", "created_at", "updated_at"})


def show(call: Call) -> dict[str, Any]:
    """Show one exposed service of a board."""
    with call.database.read() as connection:
        found = store.get_exposure(connection, _board(call, connection), call.path["service"])
    return LISTING.whole(call, found)


def action(call: Call) -> Any:
    """Enable, disable or restore a service of a board."""
    return call.ask(
        "exposed_service",
        "action",
        board=call.path["board"],
        service=call.path["service"],
        action=call.body.action,
    )


def restore(call: Call) -> dict[str, Any]:
    """Open all tunnels of a board once more, and list them."""
    call.ask("exposed_service", "restore", board=call.path["board"])
    with call.database.read() as connection:
        found = store.list_of_board(connection, _board(call, connection))
    return {"exposed": [LISTING.whole(call, each) for each in found]}


def status(call: Call) -> Any:
    """Say what is exposed on a board, and whether it is reachable."""
    return call.ask("exposed_service", "status", board=call.path["board"])


def _board(call: Call, connection: Any) -> str:
    context = call.context
    return board_store.find_target(
        connection, context.project, call.path["board"], every=context.is_admin
    ).uuid


def _rows(call: Call, connection: Any, page: Page) -> Sequence[Exposure]:
    return store.list_page(connection, _board(call, connection), page)


def _present(call: Call, exposed: Exposure, fields: Collection[str] = ()) -> dict[str, Any]:
    del fields  # all of them are at hand
    reach = call.settings.reach
    return {
        "uuid": exposed.uuid,
        "service": exposed.service,
        "name": exposed.name,
        "board_uuid": exposed.board,
        "port": exposed.port,
        "protocol": exposed.protocol,
        "public_port": exposed.public_port,
        "address": reach.address,
        "state": exposed.state,
        "cause": exposed.cause,
        "driver": reach.tunnel_driver,
        "created_at": iso(exposed.created_at),
        "updated_at": iso(exposed.updated_at),
    }


LISTING = Listing(plural="exposed", fields=FIELDS, sortable=SORTABLE, rows=_rows, present=_present)

ROUTES = (
    *LISTING.routes(
        path="/v1/boards/{board}/services",
        noun="what is exposed on a board",
        policy="iot:service_on_board:get",
        query=ExposureQuery,
        answer=ExposureList,
    ),
    Route(
        method="GET",
        path="/v1/boards/{board}/services/status",
        handler=status,
        policy="iot:service_on_board:get",
        summary="Say what is exposed on a board and whether it is reachable",
        answer=Words,
    ),
    Route(
        method="GET",
        path="/v1/boards/{board}/services/restore",
        handler=restore,
        policy="iot:service_action:post",
        summary="Open all tunnels of a board once more (as IoTronic's client asks; use POST)",
        answer=ExposureList,
        errors=(409, 502),
    ),
    Route(
        method="POST",
        path="/v1/boards/{board}/services/restore",
        handler=restore,
        policy="iot:service_action:post",
        summary="Open all tunnels of a board once more",
        body=RestoreBody,
        answer=ExposureList,
        errors=(409, 502),
    ),
    Route(
        method="GET",
        path="/v1/boards/{board}/services/{service}",
        handler=show,
        policy="iot:service_on_board:get",
        summary="Show an exposed service of a board",
        answer=ExposureShape,
    ),
    Route(
        method="POST",
        path="/v1/boards/{board}/services/{service}/action",
        handler=action,
        policy="iot:service_action:post",
        summary="Enable, disable or restore a service of a board",
        body=ActionBody,
        answer=Words,
        errors=(409, 502),
    ),
)
