"""Routes of users."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from iotronic_mec.api import links
from iotronic_mec.api.controller import Answer, Call
from iotronic_mec.api.listing import Listing
from iotronic_mec.clock import iso
from iotronic_mec.errors import BadRequest, Forbidden
from iotronic_mec.feature import Route
from iotronic_mec.features.identity import store
from iotronic_mec.features.identity.model import User
from iotronic_mec.features.identity.schema import (
    FieldsQuery,
    UserCreate,
    UserList,
    UserQuery,
    UserShape,
    UserUpdate,
    WhoAmIShape,
)
from iotronic_mec.page import Page

FIELDS = tuple(UserShape.model_fields)
SORTABLE = frozenset({"uuid", "name", "enabled", "created_at", "updated_at"})


def whoami(call: Call) -> dict[str, Any]:
    """Tell the caller who it is."""
    context = call.context
    return {
        "user": context.user,
        "name": context.user_name,
        "project": context.project,
        "roles": list(context.roles),
    }


def show(call: Call) -> dict[str, Any]:
    """Show one user."""
    return LISTING.show(call, _get_user(call, call.path["user"]))


def create(call: Call) -> Answer:
    """Make a user."""
    uuid = call.ask("identity", "create_user", **call.body.model_dump())
    where = links.location(call, "users", uuid)
    return Answer(body=_user(call, _get_user(call, uuid)), headers={"Location": where})


def update(call: Call) -> dict[str, Any]:
    """Change a user; everyone may change the own password."""
    body: UserUpdate = call.body
    if not call.allows("iot:user:update"):
        return _own_password(call, body)
    values = body.model_dump(exclude_none=True, exclude={"old_password"})
    uuid = call.ask("identity", "update_user", user=call.path["user"], values=values)
    return _user(call, _get_user(call, uuid))


def delete(call: Call) -> None:
    """Delete a user."""
    call.ask("identity", "delete_user", user=call.path["user"])


def _own_password(call: Call, body: UserUpdate) -> dict[str, Any]:
    context = call.context
    if call.path["user"] not in (context.user, context.user_name):
        raise Forbidden("only administrators may change other users")
    if body.model_fields_set - {"password", "old_password"}:
        raise Forbidden("only administrators may change more than the password")
    if body.password is None or body.old_password is None:
        raise BadRequest(
            "old_password: the old and the new password are needed",
            details={"field": "old_password" if body.password else "password"},
        )
    call.ask(
        "identity",
        "set_password",
        user=context.user,
        password=body.password,
        old_password=body.old_password,
    )
    return _user(call, _get_user(call, context.user))


def _get_user(call: Call, ident: str) -> User:
    with call.database.read() as connection:
        return store.get_user(connection, ident)


def _rows(call: Call, connection: Any, page: Page) -> Sequence[User]:
    del call  # an administrator sees all
    return store.list_users(connection, page)


def _user(call: Call, user: User, fields: Collection[str] = ()) -> dict[str, Any]:
    del fields  # all of them are at hand
    return {
        "uuid": user.uuid,
        "name": user.name,
        "enabled": user.enabled,
        "project": user.project,
        "roles": list(user.roles),
        "created_at": iso(user.created_at),
        "updated_at": iso(user.updated_at),
        "links": links.links(call, "users", user.uuid),
    }


LISTING = Listing(plural="users", fields=FIELDS, sortable=SORTABLE, rows=_rows, present=_user)

ROUTES = (
    *LISTING.routes(policy="iot:user:get", query=UserQuery, answer=UserList, with_detail=False),
    Route(
        method="GET",
        path="/v1/whoami",
        handler=whoami,
        policy="iot:identity:whoami",
        summary="Tell who is asking, in which project and roles",
        answer=WhoAmIShape,
    ),
    Route(
        method="POST",
        path="/v1/users",
        handler=create,
        policy="iot:user:create",
        summary="Create a user",
        body=UserCreate,
        answer=UserShape,
        status=201,
        errors=(404, 409),
    ),
    Route(
        method="GET",
        path="/v1/users/{user}",
        handler=show,
        policy="iot:user:get",
        summary="Show a user",
        query=FieldsQuery,
        answer=UserShape,
    ),
    Route(
        method="PATCH",
        path="/v1/users/{user}",
        handler=update,
        policy="iot:user:update_own",
        summary="Change a user, or the own password",
        body=UserUpdate,
        answer=UserShape,
        errors=(409,),
    ),
    Route(
        method="DELETE",
        path="/v1/users/{user}",
        handler=delete,
        policy="iot:user:delete",
        summary="Delete a user with its tokens",
        status=204,
        errors=(409,),
    ),
)
