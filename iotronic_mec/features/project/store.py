"""Every query on projects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from iotronic_mec import ids
from iotronic_mec.db import keyset
from iotronic_mec.features.project.model import Project, ProjectNotFound
from iotronic_mec.features.project.table import project
from iotronic_mec.page import Page

_COLUMNS = ("uuid", "name", "description", "created_at", "updated_at")
_PROJECT = select(*(project.c[name] for name in _COLUMNS))


def find_project(connection: Connection, ident: str) -> Project | None:
    """Return a project by uuid or name, or ``None``."""
    if ids.is_uuid(ident):
        named = project.c.uuid == ids.normal_uuid(ident)
    else:
        named = project.c.name == ident
    row = connection.execute(_PROJECT.where(named)).first()
    return None if row is None else Project(**row._mapping)


def get_project(connection: Connection, ident: str) -> Project:
    """Return a project by uuid or name.

    :raises ProjectNotFound: there is none
    """
    found = find_project(connection, ident)
    if found is None:
        raise ProjectNotFound(f"project {ident} could not be found")
    return found


def list_projects(connection: Connection, page: Page) -> list[Project]:
    """Return a page of projects, and one more."""
    rows = keyset.fetch(connection, _PROJECT, project, page)
    return [Project(**row._mapping) for row in rows]


def insert_project(connection: Connection, made: Project) -> None:
    """Write a new project."""
    connection.execute(
        insert(project).values(
            uuid=made.uuid,
            name=made.name,
            description=made.description,
            created_at=made.created_at,
        )
    )


def update_project(connection: Connection, uuid: str, values: Mapping[str, Any]) -> None:
    """Change columns of a project."""
    connection.execute(update(project).where(project.c.uuid == uuid).values(**values))


def delete_project(connection: Connection, uuid: str) -> None:
    """Delete a project."""
    connection.execute(delete(project).where(project.c.uuid == uuid))


def key_of(connection: Connection, uuid: str) -> int:
    """Return the database key of a project.

    :raises ProjectNotFound: there is none
    """
    key = connection.execute(select(project.c.id).where(project.c.uuid == uuid)).scalar()
    if key is None:
        raise ProjectNotFound(f"project {uuid} could not be found")
    return int(key)
