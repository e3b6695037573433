"""The route of places: where a board has been."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from iotronic_mec.api.controller import Call
from iotronic_mec.clock import iso
from iotronic_mec.errors import BadRequest
from iotronic_mec.feature import Route
from iotronic_mec.features.board import store as board_store
from iotronic_mec.features.board.model import Location
from iotronic_mec.features.location import store
from iotronic_mec.features.location.schema import LocationList, LocationQuery


def index(call: Call) -> dict[str, Any]:
    """List where a board has been, a page at a time."""
    query = call.query
    limit = min(query.limit or call.settings.max_limit, call.settings.max_limit)
    after = None if query.marker is None else UUID(query.marker).int
    if after is not None and after >= 2**63:
        raise BadRequest("marker: one of a next is expected", details={"field": "marker"})
    descending = query.sort_dir == "desc"
    context = call.context
    with call.database.read() as connection:
        board = board_store.find_target(
            connection, context.project, call.path["board"], every=context.is_admin
        )
        found = store.list_page(
            connection, board.uuid, after=after, descending=descending, limit=limit
        )
    body: dict[str, Any] = {"locations": [_present(place) for _, place in found[:limit]]}
    if len(found) > limit:
        # places have no uuid: their order is the marker, in the form of one
        marker = str(UUID(int=found[limit - 1][0]))
        arguments = {"sort_dir": query.sort_dir, "limit": limit, "marker": marker}
        body["next"] = f"{call.base_url}{call.request_path}?{urlencode(arguments)}"
    return body


def _present(place: Location) -> dict[str, Any]:
    return {
        "longitude": place.longitude,
        "latitude": place.latitude,
        "altitude": place.altitude,
        "updated_at": iso(place.updated_at),
    }


ROUTES = (
    Route(
        method="GET",
        path="/v1/boards/{board}/locations",
        handler=index,
        policy="iot:location:get",
        summary="List where a board has been",
        query=LocationQuery,
        answer=LocationList,
    ),
)
