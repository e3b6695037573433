"""Routes of services."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from iotronic_mec.api import links
from iotronic_mec.api.controller import Answer, Call
from iotronic_mec.api.listing import Listing
from iotronic_mec.clock import iso
from iotronic_mec.errors import BadRequest
from iotronic_mec.feature import Route
from iotronic_mec.features.service import store
from iotronic_mec.features.service.model import Service
from iotronic_mec.features.service.schema import (
    FieldsQuery,
    ServiceCreate,
    ServiceDeletion,
    ServiceList,
    ServiceQuery,
    ServiceShape,
    ServiceUpdate,
)
from iotronic_mec.page import Page

DEFAULT_FIELDS = ("uuid", "name", "project", "port", "protocol", "extra", "links")
"""What a list shows. Source: spec/iotronic-api.md section 2.5."""

FIELDS = tuple(ServiceShape.model_fields)
SORTABLE = frozenset(
    {"uuid", "name", "project", "port", "protocol", "public", "created_at", "updated_at"}
)


def public(call: Call) -> dict[str, Any]:
    """List the public services of all projects."""
    return LISTING.page(call, _public_rows, DEFAULT_FIELDS)


def show(call: Call) -> dict[str, Any]:
    """Show one service."""
    return LISTING.show(call, _get(call, call.path["service"]))


def create(call: Call) -> Answer:
    """Make a service."""
    uuid = call.ask("service", "create", **call.body.model_dump())
    where = links.location(call, "services", uuid)
    return Answer(body=LISTING.whole(call, _get(call, uuid)), headers={"Location": where})


def update(call: Call) -> dict[str, Any]:
    """Change a service."""
    given = call.body.model_dump(include=call.body.model_fields_set)
    for field, value in given.items():
        if value is None:
            raise BadRequest(f"{field}: must not be null", details={"field": field})
    uuid = call.ask("service", "update", service=call.path["service"], values=given)
    return LISTING.whole(call, _get(call, uuid))


def delete(call: Call) -> None:
    """Delete a service; by force after it was withdrawn from all boards."""
    service = call.path["service"]
    if call.query.force:
        call.ask("exposed_service", "withdraw", service=service)
    call.ask("service", "delete", service=service)


def _get(call: Call, ident: str) -> Service:
    context = call.context
    with call.database.read() as connection:
        return store.get_service(connection, context.project, ident, every=context.is_admin)


def _rows(call: Call, connection: Any, page: Page) -> Sequence[Service]:
    query: ServiceQuery = call.query
    if query.all_services and not call.allows("iot:service:get_all"):
        raise BadRequest(
            "all_services: only administrators may see all", details={"field": "all_services"}
        )
    project = None if query.all_services else call.context.project
    return store.list_page(
        connection, store.Scope(project=project, with_public=query.with_public), page
    )


def _public_rows(call: Call, connection: Any, page: Page) -> Sequence[Service]:
    del call  # whoever asks
    return store.list_page(connection, store.Scope(project=None, only_public=True), page)


def _present(call: Call, service: Service, fields: Collection[str] = ()) -> dict[str, Any]:
    del fields  # all of them are at hand
    return {
        "uuid": service.uuid,
        "name": service.name,
        "project": service.project,
        "port": service.port,
        "protocol": service.protocol,
        "public": service.public,
        "extra": service.extra,
        "created_at": iso(service.created_at),
        "updated_at": iso(service.updated_at),
        "links": links.links(call, "services", service.uuid),
    }


LISTING = Listing(
    plural="services",
    fields=FIELDS,
    default=DEFAULT_FIELDS,
    sortable=SORTABLE,
    rows=_rows,
    present=_present,
)

ROUTES = (
    *LISTING.routes(policy="iot:service:get", query=ServiceQuery, answer=ServiceList),
    Route(
        method="GET",
        path="/v1/services/public",
        handler=public,
        policy="iot:service:get",
        summary="List the public services of all projects",
        query=ServiceQuery,
        answer=ServiceList,
    ),
    Route(
        method="POST",
        path="/v1/services",
        handler=create,
        policy="iot:service:create",
        summary="Create a service",
        body=ServiceCreate,
        answer=ServiceShape,
        status=201,
        errors=(409,),
    ),
    Route(
        method="GET",
        path="/v1/services/{service}",
        handler=show,
        policy="iot:service:get_one",
        summary="Show a service",
        query=FieldsQuery,
        answer=ServiceShape,
        errors=(409,),
    ),
    Route(
        method="PATCH",
        path="/v1/services/{service}",
        handler=update,
        policy="iot:service:update",
        summary="Change a service",
        body=ServiceUpdate,
        answer=ServiceShape,
        errors=(409,),
    ),
    Route(
        method="DELETE",
        path="/v1/services/{service}",
        handler=delete,
        policy="iot:service:delete",
        summary="Delete a service; one that is exposed only with force=true",
        query=ServiceDeletion,
        status=204,
        errors=(409,),
    ),
)
