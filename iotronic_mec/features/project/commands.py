"""The rules of projects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from iotronic_mec.context import Context
from iotronic_mec.feature import Parts
from iotronic_mec.features.project import store
from iotronic_mec.features.project.model import Project, ProjectNameTaken
from iotronic_mec.ids import check_name
from iotronic_mec.rpc.expose import expose

if TYPE_CHECKING:
    from sqlalchemy import Connection


class ProjectCommands:
    """Changes of projects.

    :param parts: what commands are built from
    :param made: the commands of earlier features; none is needed
    """

    namespace = "project"

    def __init__(self, parts: Parts, made: Mapping[str, Any]) -> None:
        del made
        self._parts = parts

    @expose
    def create(self, context: Context, *, name: str, description: str = "") -> str:
        """Make a project; return its uuid.

        :raises ProjectNameTaken: another project has the name
        """
        made = Project(
            uuid=context.new_uuid("project"),
            name=check_name(name),
            description=description,
            created_at=self._parts.clock.now(),
        )

        def change(connection: Connection) -> None:
            known = store.find_project(connection, name)
            if known is not None and known.uuid == made.uuid:
                return  # the same request before
            if known is not None:
                raise ProjectNameTaken(f"there is a project {name}")
            store.insert_project(connection, made)
            self._note(connection, context, "create", made.uuid, {"name": name})

        self._parts.database.write(change)
        return made.uuid

    @expose
    def update(self, context: Context, *, project: str, values: dict[str, Any]) -> str:
        """Change name or description of a project; return its uuid.

        :raises ProjectNameTaken: another project has the name
        """

        def change(connection: Connection) -> str:
            found = store.get_project(connection, project)
            name = check_name(values.get("name", found.name))
            if name != found.name and store.find_project(connection, name):
                raise ProjectNameTaken(f"there is a project {name}")
            if values:
                changed = {**values, "updated_at": self._parts.clock.now()}
                store.update_project(connection, found.uuid, changed)
                self._note(connection, context, "update", found.uuid, values)
            return found.uuid

        return self._parts.database.write(change)

    @expose
    def delete(self, context: Context, *, project: str) -> None:
        """Delete a project that owns nothing and has no users.

        :raises Conflict: a feature says what is still in it
        """

        def change(connection: Connection) -> None:
            found = store.get_project(connection, project)
            for veto in self._parts.may_delete.get("project", ()):
                veto(connection, found.uuid)
            for hook in self._parts.on_delete.get("project", ()):
                hook(self._parts, connection, found.uuid)
            store.delete_project(connection, found.uuid)
            self._note(connection, context, "delete", found.uuid, {"name": found.name})

        self._parts.database.write(change)

    def _note(
        self,
        connection: Connection,
        context: Context,
        verb: str,
        target: str,
        details: Mapping[str, Any],
    ) -> None:
        self._parts.audit(
            connection,
            context.acting_in(target),
            f"project.{verb}",
            "project",
            target,
            details=details,
        )
