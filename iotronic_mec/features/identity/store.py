"""Every query on users and roles.

:func:`find_login` runs for every request with a password: it is prepared, and
this module is the API's ``UserSource``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    or_,
    select,
    update,
)

from iotronic_mec import ids
from iotronic_mec.db import keyset, tally
from iotronic_mec.db.prepared import Prepared
from iotronic_mec.features.identity.model import (
    ADMIN,
    Login,
    User,
    UserNotFound,
)
from iotronic_mec.features.identity.table import role, user
from iotronic_mec.features.project import store as project_store
from iotronic_mec.features.project.table import project
from iotronic_mec.page import Page

_WHO = (user.c.uuid, user.c.name, user.c.password_hash, project.c.uuid, role.c.role)
_ROLE_HERE = and_(role.c.user_id == user.c.id, role.c.project_id == project.c.id)
_NAMED = and_(user.c.name == bindparam("name"), user.c.enabled.is_(True))

_BY_NAME = Prepared(
    select(*_WHO)
    .select_from(
        user.outerjoin(project, project.c.id == user.c.project_id).outerjoin(role, _ROLE_HERE)
    )
    .where(_NAMED)
)
_BY_NAME_IN = Prepared(
    select(*_WHO)
    .select_from(
        user.outerjoin(
            project,
            or_(project.c.uuid == bindparam("ident"), project.c.name == bindparam("ident")),
        ).outerjoin(role, _ROLE_HERE)
    )
    .where(_NAMED)
)


def find_login(connection: Connection, name: str, project: str | None) -> Login | None:
    """Return an enabled user by name, in a project (name or uuid) or its own."""
    if project is None:
        rows = _BY_NAME.rows(connection, name=name)
    else:
        rows = _BY_NAME_IN.rows(connection, name=name, ident=project)
    if not rows:
        return None
    uuid, user_name, password_hash, where, _ = rows[0]
    roles = tuple(row[4] for row in rows if row[4] is not None)
    return Login(
        user=uuid,
        user_name=user_name,
        password_hash=password_hash,
        project=where if where and roles else "",
        roles=roles,
    )


def count_users(connection: Connection, uuid: str | None = None) -> int:
    """Return how many users there are, or how many belong to a project."""
    query = select(func.count(user.c.id.distinct()))
    if uuid is not None:
        query = query.select_from(
            user.outerjoin(role, role.c.user_id == user.c.id).join(
                project, or_(project.c.id == user.c.project_id, project.c.id == role.c.project_id)
            )
        ).where(project.c.uuid == uuid)
    return int(connection.execute(query).scalar_one())


def find_user(connection: Connection, ident: str) -> User | None:
    """Return a user by uuid or name, or ``None``."""
    row = connection.execute(_users().where(_named(user, ident))).first()
    return None if row is None else _with_roles(connection, [row])[0]


def get_user(connection: Connection, ident: str) -> User:
    """Return a user by uuid or name.

    :raises UserNotFound: there is none
    """
    found = find_user(connection, ident)
    if found is None:
        raise UserNotFound(f"user {ident} could not be found")
    return found


def list_users(connection: Connection, page: Page) -> list[User]:
    """Return a page of users, and one more."""
    return _with_roles(connection, keyset.fetch(connection, _users(), user, page))


def insert_user(connection: Connection, made: User, password_hash: str) -> None:
    """Write a new user with its roles."""
    connection.execute(
        insert(user).values(
            uuid=made.uuid,
            name=made.name,
            password_hash=password_hash,
            enabled=made.enabled,
            project_id=_project_key(connection, made.project),
            created_at=made.created_at,
        )
    )
    if made.project is not None:
        set_roles(connection, made.uuid, made.project, made.roles)


def update_user(connection: Connection, uuid: str, values: Mapping[str, Any]) -> None:
    """Change columns of a user; ``project`` is given by its uuid."""
    changed = dict(values)
    if "project" in changed:
        changed["project_id"] = _project_key(connection, changed.pop("project"))
    connection.execute(update(user).where(user.c.uuid == uuid).values(**changed))


def set_roles(connection: Connection, uuid: str, in_project: str, roles: Sequence[str]) -> None:
    """Replace a user's roles in one project."""
    key = select(user.c.id).where(user.c.uuid == uuid)
    user_id = connection.execute(key).scalar_one()
    project_id = project_store.key_of(connection, in_project)
    connection.execute(
        delete(role).where(role.c.user_id == user_id, role.c.project_id == project_id)
    )
    connection.execute(
        insert(role),
        [{"user_id": user_id, "project_id": project_id, "role": name} for name in roles],
    )


def roles_in(connection: Connection, uuid: str, in_project: str) -> tuple[str, ...]:
    """Return a user's roles in a project, by both uuids."""
    rows = connection.execute(
        select(role.c.role)
        .join(user, user.c.id == role.c.user_id)
        .join(project, project.c.id == role.c.project_id)
        .where(user.c.uuid == uuid, project.c.uuid == in_project)
        .order_by(role.c.id)
    )
    return tuple(row.role for row in rows)


def password_hash(connection: Connection, uuid: str) -> str:
    """Return the hash of a user's password."""
    query = select(user.c.password_hash).where(user.c.uuid == uuid)
    return str(connection.execute(query).scalar_one())


def delete_user(connection: Connection, uuid: str) -> None:
    """Delete a user with its roles and tokens."""
    connection.execute(delete(user).where(user.c.uuid == uuid))


def count_administrators(connection: Connection) -> int:
    """Return how many enabled users administer the cloud."""
    query = (
        select(func.count(user.c.id.distinct()))
        .join(role, role.c.user_id == user.c.id)
        .where(user.c.enabled.is_(True), role.c.role.in_((ADMIN, "administrator")))
    )
    return int(connection.execute(query).scalar_one())


def _named(table: Any, ident: str) -> Any:
    if ids.is_uuid(ident):
        return table.c.uuid == ids.normal_uuid(ident)
    return table.c.name == ident


def _project_key(connection: Connection, uuid: str | None) -> int | None:
    return None if uuid is None else project_store.key_of(connection, uuid)


def _users() -> Select[Any]:
    return select(user, project.c.uuid.label("project")).select_from(
        user.outerjoin(project, project.c.id == user.c.project_id)
    )


def _with_roles(connection: Connection, rows: Sequence[Row[Any]]) -> list[User]:
    held: dict[tuple[int, int], list[str]] = {}
    keys = [row.id for row in rows]
    for at in range(0, len(keys), 500):
        query = select(role).where(role.c.user_id.in_(keys[at : at + 500])).order_by(role.c.id)
        for row in connection.execute(query):
            held.setdefault((row.user_id, row.project_id), []).append(row.role)
    return [
        User(
            uuid=row.uuid,
            name=row.name,
            enabled=row.enabled,
            project=row.project,
            roles=tuple(held.get((row.id, row.project_id), ())),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in rows
    ]


count_members = tally.rows_of(user.join(project), project.c.uuid)
"""Count the users who act in a project by default."""
