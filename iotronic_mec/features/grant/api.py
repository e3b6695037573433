"""Routes of grants."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from iotronic_mec.api import links
from iotronic_mec.api.controller import Answer, Call
from iotronic_mec.api.listing import Listing
from iotronic_mec.clock import iso
from iotronic_mec.errors import BadRequest
from iotronic_mec.feature import Route
from iotronic_mec.features.grant import store
from iotronic_mec.features.grant.model import PROJECT, USER, Grant, GrantNotFound, Use, plain_id
from iotronic_mec.features.grant.schema import (
    ExplainQuery,
    FieldsQuery,
    GrantCreate,
    GrantExplainShape,
    GrantFurther,
    GrantList,
    GrantQuery,
    GrantShape,
    UseList,
    UseShape,
    UsesQuery,
)
from iotronic_mec.ids import is_uuid
from iotronic_mec.page import Page

_TERMS = ("kind", "target", "actions", "not_before", "expires_at", "hours", "max_uses", "relend")


def show(call: Call) -> dict[str, Any]:
    """Show one grant."""
    return LISTING.show(call, _get(call, _path(call)))


def create(call: Call) -> Answer:
    """Lend."""
    return _create(call, None)


def create_further(call: Call) -> Answer:
    """Lend a grant on."""
    return _create(call, _path(call))


def revoke(call: Call) -> None:
    """Revoke a grant and all that were made from it."""
    call.ask("grant", "revoke", grant=_path(call))


def explain(call: Call) -> Any:
    """Say whether a grant lets an operation pass now."""
    query: ExplainQuery = call.query
    return call.ask(
        "grant", "explain", grant=_path(call), action=query.action, target=query.target
    )


def _create(call: Call, parent: str | None) -> Answer:
    body = call.body
    given = body.model_dump(mode="json")
    uuid = call.ask(
        "grant",
        "create",
        terms={name: given[name] for name in _TERMS},
        to_kind=PROJECT if body.to_user is None else USER,
        to=body.to_project if body.to_user is None else body.to_user,
        description=body.description,
        parent=parent,
    )
    where = links.location(call, "grants", uuid)
    return Answer(body=LISTING.whole(call, _get(call, uuid)), headers={"Location": where})


def _path(call: Call) -> str:
    ident = call.path["grant"]
    if not is_uuid(ident):
        raise GrantNotFound(f"grant {ident} could not be found")
    return ident


def _get(call: Call, uuid: str) -> Grant:
    context = call.context
    project = None if context.is_admin else plain_id(context.project)
    with call.database.read() as connection:
        return store.get_grant(connection, uuid, plain_id(context.user), project)


def _rows(call: Call, connection: Any, page: Page) -> Sequence[Grant]:
    query: GrantQuery = call.query
    if query.all_projects and not call.allows("iot:grant:get_all"):
        raise BadRequest(
            "all_projects: only administrators may see all", details={"field": "all_projects"}
        )
    project = None if query.all_projects else plain_id(call.context.project)
    user = plain_id(call.context.user)
    return store.list_page(connection, user, project, page, side=query.side, target=query.target)


def _uses(call: Call, connection: Any, page: Page) -> Sequence[Use]:
    found = _get(call, _path(call))
    mine = {found.by_project, found.owner}
    if call.context.is_admin or plain_id(call.context.project) in mine:
        return store.list_uses(connection, store.descendants(connection, found.uuid), page)
    return store.list_uses(connection, [found.uuid], page)


def _present(call: Call, grant: Grant, fields: Collection[str] = ()) -> dict[str, Any]:
    del fields  # all of them are at hand
    terms = grant.terms
    return {
        "uuid": grant.uuid,
        "parent": grant.parent,
        "kind": terms.kind,
        "target": terms.target,
        "actions": list(terms.actions),
        "owner": grant.owner,
        "by_user": grant.by_user,
        "by_project": grant.by_project,
        "to_user": grant.to if grant.to_kind == USER else None,
        "to_project": grant.to if grant.to_kind == PROJECT else None,
        "not_before": iso(terms.not_before),
        "expires_at": iso(terms.expires_at),
        "hours": None if terms.hours is None else terms.hours.to_wire(),
        "max_uses": terms.max_uses,
        "uses": grant.uses,
        "relend": terms.relend,
        "description": grant.description,
        "state": grant.standing(call.clock.now()),
        "revoked_at": iso(grant.revoked_at),
        "created_at": iso(grant.created_at),
        "links": links.links(call, "grants", grant.uuid),
    }


def _present_use(call: Call, use: Use, fields: Collection[str] = ()) -> dict[str, Any]:
    del call, fields  # all of them are at hand
    return {
        "uuid": use.uuid,
        "grant": use.grant,
        "user": use.user,
        "project": use.project,
        "kind": use.kind,
        "target": use.target,
        "action": use.action,
        "number": use.number,
        "request": use.request,
        "created_at": iso(use.created_at),
    }


LISTING = Listing(
    plural="grants",
    fields=tuple(GrantShape.model_fields),
    sortable=frozenset({"uuid", "kind", "expires_at", "created_at"}),
    default=(
        "uuid",
        "parent",
        "kind",
        "target",
        "actions",
        "to_user",
        "to_project",
        "expires_at",
        "state",
        "links",
    ),
    rows=_rows,
    present=_present,
)

USES = Listing(
    plural="uses",
    fields=tuple(UseShape.model_fields),
    sortable=frozenset({"uuid", "created_at"}),
    rows=_uses,
    present=_present_use,
)

ROUTES = (
    *LISTING.routes(policy="iot:grant:get", query=GrantQuery, answer=GrantList),
    Route(
        method="POST",
        path="/v1/grants",
        handler=create,
        policy="iot:grant:create",
        summary="Lend operations on what the own project has",
        body=GrantCreate,
        answer=GrantShape,
        status=201,
        errors=(404, 409),
    ),
    Route(
        method="GET",
        path="/v1/grants/{grant}",
        handler=show,
        policy="iot:grant:get",
        summary="Show a grant",
        query=FieldsQuery,
        answer=GrantShape,
    ),
    Route(
        method="DELETE",
        path="/v1/grants/{grant}",
        handler=revoke,
        policy="iot:grant:revoke",
        summary="Revoke a grant and all that were made from it, at once",
        status=204,
    ),
    Route(
        method="POST",
        path="/v1/grants/{grant}/grants",
        handler=create_further,
        policy="iot:grant:create",
        summary="Lend a grant on, only narrower",
        body=GrantFurther,
        answer=GrantShape,
        status=201,
        errors=(409,),
    ),
    Route(
        method="GET",
        path="/v1/grants/{grant}/explain",
        handler=explain,
        policy="iot:grant:get",
        summary="Say whether a grant lets an operation pass now",
        query=ExplainQuery,
        answer=GrantExplainShape,
    ),
    *USES.routes(
        policy="iot:grant:get",
        query=UsesQuery,
        answer=UseList,
        path="/v1/grants/{grant}/uses",
        noun="the uses of a grant",
        with_detail=False,
    ),
)
