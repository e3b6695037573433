"""Every query on services.

A project sees its own services and the public ones of others; an administrator
sees all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select, true, update

from iotronic_mec.db import keyset, tally
from iotronic_mec.features.service.model import (
    ProjectHasServices,
    Service,
    ServiceAmbiguous,
    ServiceNotFound,
)
from iotronic_mec.features.service.table import service
from iotronic_mec.ids import is_uuid, normal_uuid
from iotronic_mec.page import Page

_COLUMNS = (
    "uuid",
    "project",
    "name",
    "port",
    "protocol",
    "public",
    "extra",
    "created_at",
    "updated_at",
)
_SERVICE = select(*(service.c[name] for name in _COLUMNS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which services are meant.

    :param project: whose; ``None`` for those of all projects
    :param with_public: also the public ones of other projects
    :param only_public: the public ones of all projects and no others
    """

    project: str | None
    with_public: bool = False
    only_public: bool = False


def get_service(connection: Connection, project: str, ident: str, *, every: bool) -> Service:
    """Return the service a project means, by uuid or by name.

    A name is looked up in the project first, then among the public services,
    then, for an administrator, among all.

    :param every: whether any project's service may be meant
    :raises ServiceNotFound: there is none this project may see
    :raises ServiceAmbiguous: several others have that name, and the project none
    """
    if is_uuid(ident):
        row = connection.execute(_SERVICE.where(service.c.uuid == normal_uuid(ident))).first()
        if row is not None and (every or row.project == project or row.public):
            return Service(**row._mapping)
        raise ServiceNotFound(f"service {ident} could not be found")
    named = _SERVICE.where(service.c.name == ident)
    steps = [service.c.project == project, service.c.public.is_(True)]
    if every:
        steps.append(true())
    for step in steps:
        rows = connection.execute(named.where(step).limit(2)).all()
        if len(rows) > 1:
            raise ServiceAmbiguous(f"several services are named {ident}: use the uuid")
        if rows:
            return Service(**rows[0]._mapping)
    raise ServiceNotFound(f"service {ident} could not be found")


def find_named(connection: Connection, project: str, name: str) -> Service | None:
    """Return a project's own service of a name, or ``None``."""
    row = connection.execute(
        _SERVICE.where(service.c.project == project, service.c.name == name)
    ).first()
    return None if row is None else Service(**row._mapping)


def list_page(connection: Connection, scope: Scope, page: Page) -> list[Service]:
    """Return a page of services, and one more when there are more.

    :raises MarkerNotFound: the marker names nothing in the scope
    """
    mine = true() if scope.project is None else service.c.project == scope.project
    if scope.only_public:
        query = _SERVICE.where(service.c.public.is_(True))
    elif scope.with_public:
        query = _SERVICE.where(or_(mine, service.c.public.is_(True)))
    else:
        query = _SERVICE.where(mine)
    return [Service(**row._mapping) for row in keyset.fetch(connection, query, service, page)]


def list_services(connection: Connection, uuids: Iterable[str]) -> dict[str, Service]:
    """Return services of whatever project by uuid; for the cloud itself."""
    rows = connection.execute(_SERVICE.where(service.c.uuid.in_(list(uuids))))
    return {row.uuid: Service(**row._mapping) for row in rows}


def insert_service(connection: Connection, made: Service) -> None:
    """Write a new service."""
    connection.execute(
        insert(service).values(
            uuid=made.uuid,
            project=made.project,
            name=made.name,
            port=made.port,
            protocol=made.protocol,
            public=made.public,
            extra=made.extra,
            created_at=made.created_at,
        )
    )


def update_service(connection: Connection, uuid: str, values: Mapping[str, Any]) -> None:
    """Change columns of a service."""
    connection.execute(update(service).where(service.c.uuid == uuid).values(**values))


def delete_service(connection: Connection, uuid: str) -> None:
    """Delete a service."""
    connection.execute(delete(service).where(service.c.uuid == uuid))


def refuse_project(connection: Connection, project: str) -> None:
    """Veto the deletion of a project that has services.

    :raises ProjectHasServices: it has
    """
    if connection.execute(select(service.c.id).where(service.c.project == project)).first():
        raise ProjectHasServices(f"project {project} has services: delete them first")


count_services = tally.rows_of(service, service.c.project)
"""Count a project's services."""
