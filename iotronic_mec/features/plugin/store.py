"""Every query on plugins.

A project sees its own plugins and, where asked, the public ones of others; an
administrator sees all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select, true, update

from iotronic_mec.db import keyset, tally
from iotronic_mec.features.plugin.model import (
    Plugin,
    PluginAmbiguous,
    PluginNotFound,
    ProjectHasPlugins,
)
from iotronic_mec.features.plugin.table import plugin
from iotronic_mec.ids import is_uuid, normal_uuid
from iotronic_mec.lent import Place
from iotronic_mec.page import Page

CHANGEABLE = frozenset(
    {"name", "public", "callable", "parameters", "extra", "format", "digest", "size"}
)
"""Columns :func:`update_plugin` may change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which plugins a list may hold.

    :param project: whose; ``None`` for an administrator, who sees all
    :param with_public: also the public ones of other projects
    :param only_public: the public ones of all projects and no others
    """

    project: str | None
    with_public: bool = False
    only_public: bool = False


def get_plugin(
    connection: Connection,
    project: str,
    uuid_or_name: str,
    *,
    with_public: bool = True,
    every_project: bool = False,
) -> Plugin:
    """Return the plugin a project means.

    A name is looked up in the project first, then among the public plugins,
    then, for an administrator, among all.

    :param with_public: whether another project's public plugin counts
    :param every_project: whether any project's plugin counts
    :raises PluginNotFound: there is none this project may see
    :raises PluginAmbiguous: several others have that name, and the project has none
    """
    if is_uuid(uuid_or_name):
        found = find_plugin(connection, normal_uuid(uuid_or_name))
        if found is not None and (
            every_project or found.project == project or (with_public and found.public)
        ):
            return found
        raise PluginNotFound(f"plugin {uuid_or_name} could not be found")
    named = select(plugin).where(plugin.c.name == uuid_or_name)
    steps = [plugin.c.project == project]
    if with_public:
        steps.append(plugin.c.public.is_(True))
    if every_project:
        steps.append(true())
    for step in steps:
        rows = connection.execute(named.where(step).limit(2)).all()
        if len(rows) > 1:
            raise PluginAmbiguous(f"several plugins are named {uuid_or_name}: use the uuid")
        if rows:
            return _to_plugin(rows[0])
    raise PluginNotFound(f"plugin {uuid_or_name} could not be found")


def find_plugin(connection: Connection, uuid: str) -> Plugin | None:
    """Return a plugin of whatever project, or ``None``; for the cloud itself."""
    row = connection.execute(select(plugin).where(plugin.c.uuid == uuid)).first()
    return None if row is None else _to_plugin(row)


def find_place(connection: Connection, uuid: str) -> Place | None:
    """Return whose a plugin is, ``None`` when there is none."""
    project = connection.execute(select(plugin.c.project).where(plugin.c.uuid == uuid)).scalar()
    return None if project is None else Place(uuid=uuid, project=project)


def resolve_place(connection: Connection, project: str, ident: str, every: bool) -> Place:
    """Return whose a plugin is, by uuid or name; others' public ones are not one's to lend."""
    found = get_plugin(connection, project, ident, with_public=False, every_project=every)
    return Place(uuid=found.uuid, project=found.project)


def list_plugins(connection: Connection, uuids: Iterable[str]) -> list[Plugin]:
    """Return the plugins with these uuids, of whatever project; for the cloud itself."""
    rows = connection.execute(
        select(plugin).where(plugin.c.uuid.in_(list(uuids))).order_by(plugin.c.id)
    )
    return [_to_plugin(row) for row in rows]


def refuse_project(connection: Connection, project: str) -> None:
    """Veto the deletion of a project that has plugins.

    :raises ProjectHasPlugins: it has
    """
    if connection.execute(select(plugin.c.id).where(plugin.c.project == project)).first():
        raise ProjectHasPlugins(f"project {project} has plugins: delete them first")


def find_named(connection: Connection, project: str, name: str) -> Plugin | None:
    """Return a project's own plugin of a name, or ``None``."""
    row = connection.execute(
        select(plugin).where(plugin.c.project == project, plugin.c.name == name)
    ).first()
    return None if row is None else _to_plugin(row)


def list_page(connection: Connection, scope: Scope, page: Page) -> list[Plugin]:
    """Return the plugins of a page, and one more when there are more.

    :raises MarkerNotFound: the marker names nothing in the scope
    """
    query = select(plugin)
    mine = true() if scope.project is None else plugin.c.project == scope.project
    if scope.only_public:
        query = query.where(plugin.c.public.is_(True))
    elif scope.with_public:
        query = query.where(or_(mine, plugin.c.public.is_(True)))
    else:
        query = query.where(mine)
    return [_to_plugin(row) for row in keyset.fetch(connection, query, plugin, page)]


def insert_plugin(connection: Connection, new: Plugin) -> None:
    """Write a new plugin."""
    connection.execute(
        insert(plugin).values(
            uuid=new.uuid,
            project=new.project,
            owner=new.owner,
            name=new.name,
            public=new.public,
            callable=new.callable,
            parameters=new.parameters,
            extra=new.extra,
            format=new.format,
            digest=new.digest,
            size=new.size,
            created_at=new.created_at,
        )
    )


def update_plugin(
    connection: Connection, old: Plugin, changes: dict[str, Any], now: datetime
) -> Plugin:
    """Write the changes and return the plugin as it is then.

    :param changes: some of :data:`CHANGEABLE`
    :raises PluginNotFound: it was deleted meanwhile
    """
    assert changes.keys() <= CHANGEABLE
    changed = connection.execute(
        update(plugin).where(plugin.c.uuid == old.uuid).values(**changes, updated_at=now)
    )
    if changed.rowcount != 1:
        raise PluginNotFound(f"plugin {old.uuid} could not be found")
    return replace(old, **changes, updated_at=now)


def delete_plugin(connection: Connection, uuid: str) -> None:
    """Delete a plugin; its blob's use is the caller's to end."""
    connection.execute(delete(plugin).where(plugin.c.uuid == uuid))


def _to_plugin(row: Row[Any]) -> Plugin:
    """Return the dataclass of a row."""
    return Plugin(
        uuid=row.uuid,
        project=row.project,
        owner=row.owner,
        name=row.name,
        public=row.public,
        callable=row.callable,
        parameters=row.parameters,
        extra=row.extra,
        format=row.format,
        digest=row.digest,
        size=row.size,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


count_plugins = tally.rows_of(plugin, plugin.c.project)
"""Count a project's plugins."""
