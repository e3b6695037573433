"""Every query on fleets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from iotronic_mec import ids
from iotronic_mec.db import keyset, tally
from iotronic_mec.features.fleet.model import Fleet, FleetNotFound, ProjectHasFleets
from iotronic_mec.features.fleet.table import fleet
from iotronic_mec.lent import Place
from iotronic_mec.page import Page

_COLUMNS = ("uuid", "project", "name", "description", "extra", "created_at", "updated_at")
_FLEET = select(*(fleet.c[name] for name in _COLUMNS))


def find_fleet(
    connection: Connection,
    project: str,
    ident: str,
    *,
    every: bool = False,
    held: bool = False,
) -> Fleet | None:
    """Return a fleet by uuid or name, or ``None``.

    :param project: the caller's; names are looked up in it
    :param every: whether fleets of other projects may be meant by uuid
    :param held: keep others from deleting it until the transaction ends
    """
    if ids.is_uuid(ident):
        query = _FLEET.where(fleet.c.uuid == ids.normal_uuid(ident))
        if not every:
            query = query.where(fleet.c.project == project)
    else:
        query = _FLEET.where(fleet.c.project == project, fleet.c.name == ident)
    row = connection.execute(query.with_for_update() if held else query).first()
    return None if row is None else Fleet(**row._mapping)


def get_fleet(
    connection: Connection,
    project: str,
    ident: str,
    *,
    every: bool = False,
    held: bool = False,
) -> Fleet:
    """Return a fleet by uuid or name; see :func:`find_fleet`.

    :raises FleetNotFound: there is none, or it is another project's
    """
    found = find_fleet(connection, project, ident, every=every, held=held)
    if found is None:
        raise FleetNotFound(f"fleet {ident} could not be found")
    return found


def find_place(connection: Connection, uuid: str) -> Place | None:
    """Return whose a fleet is, ``None`` when there is none."""
    found = find_fleet(connection, "", uuid, every=True)
    return None if found is None else Place(uuid=found.uuid, project=found.project)


def resolve_place(connection: Connection, project: str, ident: str, every: bool) -> Place:
    """Return whose a fleet is, by uuid or name; see :func:`get_fleet`."""
    found = get_fleet(connection, project, ident, every=every)
    return Place(uuid=found.uuid, project=found.project)


def list_page(connection: Connection, project: str, page: Page) -> list[Fleet]:
    """Return a page of a project's fleets, and one more when there are more.

    :raises MarkerNotFound: the page's marker is no fleet of the project
    """
    scoped = _FLEET.where(fleet.c.project == project)
    rows = keyset.fetch(connection, scoped, fleet, page)
    return [Fleet(**row._mapping) for row in rows]


def insert_fleet(connection: Connection, made: Fleet) -> None:
    """Write a new fleet."""
    connection.execute(
        insert(fleet).values(
            uuid=made.uuid,
            project=made.project,
            name=made.name,
            description=made.description,
            extra=made.extra,
            created_at=made.created_at,
        )
    )


def update_fleet(connection: Connection, uuid: str, values: Mapping[str, Any]) -> None:
    """Change columns of a fleet."""
    connection.execute(update(fleet).where(fleet.c.uuid == uuid).values(**values))


def delete_fleet(connection: Connection, uuid: str) -> None:
    """Delete a fleet; what becomes of its boards is the caller's to say."""
    connection.execute(delete(fleet).where(fleet.c.uuid == uuid))


def refuse_project(connection: Connection, project: str) -> None:
    """Veto the deletion of a project that has fleets.

    :raises ProjectHasFleets: it has
    """
    if connection.execute(select(fleet.c.id).where(fleet.c.project == project)).first():
        raise ProjectHasFleets(f"project {project} has fleets: delete them first")


count_fleets = tally.rows_of(fleet, fleet.c.project)
"""Count a project's fleets."""
