"""Every query on tokens.

:func:`find_token` runs for every request with a token: it is prepared, and this
module is the API's ``TokenSource``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from iotronic_mec import ids
from iotronic_mec.db import keyset, tally
from iotronic_mec.db.prepared import Prepared
from iotronic_mec.db.types import from_micros
from iotronic_mec.features.identity.model import Login
from iotronic_mec.features.identity.table import role, user
from iotronic_mec.features.project import store as project_store
from iotronic_mec.features.project.table import project
from iotronic_mec.features.token.model import AmbiguousToken, Token, TokenNotFound, limited
from iotronic_mec.features.token.table import token
from iotronic_mec.page import Page

_SHOWN = ("uuid", "name", "role", "expires_at", "last_used_at", "created_at")
_ROLE_HERE = and_(role.c.user_id == user.c.id, role.c.project_id == project.c.id)
_BY_DIGEST = Prepared(
    select(
        token.c.uuid,
        token.c.role,
        token.c.expires_at,
        token.c.last_used_at,
        user.c.uuid,
        user.c.name,
        project.c.uuid,
        role.c.role,
    )
    .select_from(
        token.join(user, user.c.id == token.c.user_id)
        .join(project, project.c.id == token.c.project_id)
        .outerjoin(role, _ROLE_HERE)
    )
    .where(token.c.digest == bindparam("digest"), user.c.enabled.is_(True))
)


def find_token(connection: Connection, digest: str) -> Login | None:
    """Return the token with this digest and its enabled user."""
    rows = _BY_DIGEST.rows(connection, digest=digest)
    if not rows:
        return None
    uuid, most, expires_at, last_used_at, owner, name, where, _ = rows[0]
    roles = tuple(row[7] for row in rows if row[7] is not None)
    return Login(
        user=owner,
        user_name=name,
        project=where if roles else "",
        roles=limited(roles, most) if roles else (),
        token=uuid,
        expires_at=None if expires_at is None else from_micros(expires_at),
        last_used_at=None if last_used_at is None else from_micros(last_used_at),
    )


def get_token(connection: Connection, ident: str, owner: str | None) -> Token:
    """Return a token by uuid or name.

    :param owner: uuid of the user whose it must be, ``None`` for anyone's
    :raises TokenNotFound: there is none
    :raises AmbiguousToken: several have this name
    """
    query = _tokens(owner).where(_named(ident)).limit(2)
    rows = connection.execute(query).all()
    if not rows:
        raise TokenNotFound(f"token {ident} could not be found")
    if len(rows) > 1:
        raise AmbiguousToken(f"several tokens are called {ident}; use the uuid")
    return _token(rows[0])


def list_tokens(connection: Connection, owner: str | None, page: Page) -> list[Token]:
    """Return a page of a user's tokens, or of everyone's, and one more."""
    return [_token(row) for row in keyset.fetch(connection, _tokens(owner), token, page)]


def insert_token(connection: Connection, made: Token, digest: str) -> None:
    """Write a new token."""
    user_id = connection.execute(select(user.c.id).where(user.c.uuid == made.user)).scalar_one()
    connection.execute(
        insert(token).values(
            uuid=made.uuid,
            name=made.name,
            digest=digest,
            user_id=user_id,
            project_id=project_store.key_of(connection, made.project),
            role=made.role,
            expires_at=made.expires_at,
            created_at=made.created_at,
        )
    )


def replace_digest(connection: Connection, uuid: str, digest: str) -> bool:
    """Give a token another secret; say whether there is such a token."""
    changed = connection.execute(update(token).where(token.c.uuid == uuid).values(digest=digest))
    return changed.rowcount == 1


def touch_token(connection: Connection, uuid: str, now: datetime) -> None:
    """Note when a token was used."""
    connection.execute(update(token).where(token.c.uuid == uuid).values(last_used_at=now))


def delete_token(connection: Connection, uuid: str) -> None:
    """Delete a token."""
    connection.execute(delete(token).where(token.c.uuid == uuid))


def prune(connection: Connection, before: datetime, limit: int) -> int:
    """Delete tokens that ended before a moment; return how many."""
    old = select(token.c.id).where(token.c.expires_at < before).order_by(token.c.id).limit(limit)
    keys = [row.id for row in connection.execute(old)]
    if keys:
        connection.execute(delete(token).where(token.c.id.in_(keys)))
    return len(keys)


def count_tokens(connection: Connection, owner: str) -> int:
    """Return how many tokens a user has."""
    query = (
        select(func.count(token.c.id))
        .join(user, user.c.id == token.c.user_id)
        .where(user.c.uuid == owner)
    )
    return int(connection.execute(query).scalar_one())


def _named(ident: str) -> Any:
    if ids.is_uuid(ident):
        return token.c.uuid == ids.normal_uuid(ident)
    return token.c.name == ident


def _tokens(owner: str | None) -> Select[Any]:
    query = select(
        *(token.c[name] for name in _SHOWN),
        user.c.uuid.label("user"),
        user.c.name.label("user_name"),
        project.c.uuid.label("project"),
    ).select_from(
        token.join(user, user.c.id == token.c.user_id).join(
            project, project.c.id == token.c.project_id
        )
    )
    return query if owner is None else query.where(user.c.uuid == owner)


def _token(row: Row[Any]) -> Token:
    return Token(**row._mapping)


count_issued = tally.rows_of(token.join(project), project.c.uuid)
"""Count the tokens for a project."""
