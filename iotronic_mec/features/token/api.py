"""Routes of tokens."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from iotronic_mec.api import links
from iotronic_mec.api.controller import Answer, Call
from iotronic_mec.api.listing import Listing
from iotronic_mec.clock import iso
from iotronic_mec.feature import Route
from iotronic_mec.features.identity import store as identity_store
from iotronic_mec.features.token import store
from iotronic_mec.features.token.model import Token
from iotronic_mec.features.token.schema import (
    FieldsQuery,
    TokenCreate,
    TokenList,
    TokenQuery,
    TokenShape,
)
from iotronic_mec.page import Page

FIELDS = tuple(name for name in TokenShape.model_fields if name != "secret")
SORTABLE = frozenset({"uuid", "name", "expires_at", "last_used_at", "created_at"})


def show(call: Call) -> dict[str, Any]:
    """Show one token, without its secret."""
    owner = _owner(call, "iot:token:get_all")
    return LISTING.show(call, _get_token(call, call.path["token"], owner))


def create(call: Call) -> Answer:
    """Make a token; its secret is in this answer only."""
    body: TokenCreate = call.body
    made = call.ask(
        "token",
        "create",
        name=body.name,
        role=body.role,
        expires_at=iso(body.expires_at),
    )
    token = _get_token(call, made["uuid"], call.context.user)
    return Answer(
        body={**_token(call, token), "secret": made["secret"]},
        headers={"Location": links.location(call, "tokens", token.uuid)},
    )


def delete(call: Call) -> None:
    """Revoke a token."""
    owner = _owner(call, "iot:token:delete_all")
    call.ask("token", "revoke", token=call.path["token"], owner=owner)


def _owner(call: Call, every: str) -> str | None:
    """Return whose tokens may be meant: the caller's, or ``None`` for anyone's."""
    return None if call.allows(every) else call.context.user


def _get_token(call: Call, ident: str, owner: str | None) -> Token:
    with call.database.read() as connection:
        return store.get_token(connection, ident, owner)


def _rows(call: Call, connection: Any, page: Page) -> Sequence[Token]:
    """Return the caller's tokens; an administrator may ask for others'."""
    query: TokenQuery = call.query
    owner: str | None = call.context.user
    if query.user is not None or query.all_users:
        call.enforce("iot:token:get_all", {})
        owner = None
        if query.user is not None:
            owner = identity_store.get_user(connection, query.user).uuid
    return store.list_tokens(connection, owner, page)


def _token(call: Call, token: Token, fields: Collection[str] = ()) -> dict[str, Any]:
    del fields  # all of them are at hand
    return {
        "uuid": token.uuid,
        "name": token.name,
        "user": token.user,
        "project": token.project,
        "role": token.role,
        "expires_at": iso(token.expires_at),
        "last_used_at": iso(token.last_used_at),
        "created_at": iso(token.created_at),
        "links": links.links(call, "tokens", token.uuid),
    }


LISTING = Listing(plural="tokens", fields=FIELDS, sortable=SORTABLE, rows=_rows, present=_token)

ROUTES = (
    *LISTING.routes(policy="iot:token:get", query=TokenQuery, answer=TokenList, with_detail=False),
    Route(
        method="POST",
        path="/v1/tokens",
        handler=create,
        policy="iot:token:create",
        summary="Create a token; its secret is shown this once",
        body=TokenCreate,
        answer=TokenShape,
        status=201,
        errors=(404, 409),
    ),
    Route(
        method="GET",
        path="/v1/tokens/{token}",
        handler=show,
        policy="iot:token:get",
        summary="Show a token without its secret",
        query=FieldsQuery,
        answer=TokenShape,
        errors=(409,),
    ),
    Route(
        method="DELETE",
        path="/v1/tokens/{token}",
        handler=delete,
        policy="iot:token:delete",
        summary="Revoke a token at once",
        status=204,
        errors=(409,),
    ),
)
