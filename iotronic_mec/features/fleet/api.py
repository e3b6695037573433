"""Routes of fleets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from iotronic_mec.api import links
from iotronic_mec.api.controller import Answer, Call
from iotronic_mec.api.listing import Listing
from iotronic_mec.clock import iso
from iotronic_mec.errors import BadRequest
from iotronic_mec.feature import Route
from iotronic_mec.features.fleet import store
from iotronic_mec.features.fleet.model import Fleet
from iotronic_mec.features.fleet.schema import (
    DeleteQuery,
    FieldsQuery,
    FleetCreate,
    FleetList,
    FleetQuery,
    FleetShape,
    FleetUpdate,
)
from iotronic_mec.page import Page

FIELDS = tuple(FleetShape.model_fields)
DEFAULT_FIELDS = ("uuid", "name", "project", "description", "extra", "links")
"""What a list shows. Source: spec/iotronic-api.md section 2.8."""

SORTABLE = frozenset({"uuid", "name", "description", "created_at", "updated_at"})


def show(call: Call) -> dict[str, Any]:
    """Show one fleet."""
    return LISTING.show(call, _get(call, call.path["fleet"]))


def create(call: Call) -> Answer:
    """Make a fleet."""
    uuid = call.ask("fleet", "create", **call.body.model_dump())
    where = links.location(call, "fleets", uuid)
    return Answer(body=_present(call, _get(call, uuid)), headers={"Location": where})


def update(call: Call) -> dict[str, Any]:
    """Change a fleet."""
    given = call.body.model_dump(include=call.body.model_fields_set)
    for field, empty in (("name", None), ("description", ""), ("extra", {})):
        if field in given and given[field] is None:
            if empty is None:
                raise BadRequest(f"{field}: must not be null", details={"field": field})
            given[field] = empty
    uuid = call.ask("fleet", "update", fleet=call.path["fleet"], values=given)
    return _present(call, _get(call, uuid))


def delete(call: Call) -> None:
    """Delete a fleet."""
    call.ask("fleet", "delete", fleet=call.path["fleet"], release=call.query.release)


def _get(call: Call, ident: str) -> Fleet:
    context = call.context
    with call.database.read() as connection:
        return store.get_fleet(connection, context.project, ident, every=context.is_admin)


def _rows(call: Call, connection: Any, page: Page) -> Sequence[Fleet]:
    project = call.query.project or call.context.project
    if project != call.context.project and not call.allows("iot:fleet:get_all"):
        raise BadRequest(
            "project: only administrators may name another", details={"field": "project"}
        )
    return store.list_page(connection, project, page)


def _present(call: Call, fleet: Fleet, fields: Collection[str] = ()) -> dict[str, Any]:
    del fields  # all of them are at hand
    return {
        "uuid": fleet.uuid,
        "name": fleet.name,
        "project": fleet.project,
        "description": fleet.description,
        "extra": fleet.extra,
        "created_at": iso(fleet.created_at),
        "updated_at": iso(fleet.updated_at),
        "links": links.links(call, "fleets", fleet.uuid),
    }


LISTING = Listing(
    plural="fleets",
    fields=FIELDS,
    default=DEFAULT_FIELDS,
    sortable=SORTABLE,
    rows=_rows,
    present=_present,
)

ROUTES = (
    *LISTING.routes(policy="iot:fleet:get", query=FleetQuery, answer=FleetList),
    Route(
        method="POST",
        path="/v1/fleets",
        handler=create,
        policy="iot:fleet:create",
        summary="Create a fleet",
        body=FleetCreate,
        answer=FleetShape,
        status=201,
        errors=(409,),
    ),
    Route(
        method="GET",
        path="/v1/fleets/{fleet}",
        handler=show,
        policy="iot:fleet:get_one",
        summary="Show a fleet",
        query=FieldsQuery,
        answer=FleetShape,
    ),
    Route(
        method="PATCH",
        path="/v1/fleets/{fleet}",
        handler=update,
        policy="iot:fleet:update",
        summary="Change a fleet",
        body=FleetUpdate,
        answer=FleetShape,
        errors=(409,),
    ),
    Route(
        method="DELETE",
        path="/v1/fleets/{fleet}",
        handler=delete,
        policy="iot:fleet:delete",
        summary="Delete a fleet; one with boards only with release=true",
        query=DeleteQuery,
        status=204,
        errors=(409,),
    ),
)
