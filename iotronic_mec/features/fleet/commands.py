"""The rules of fleets: create, change, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from iotronic_mec.context import Context
from iotronic_mec.errors import BadRequest
from iotronic_mec.feature import Parts
from iotronic_mec.features.fleet import store
from iotronic_mec.features.fleet.model import KIND, Fleet, FleetExists
from iotronic_mec.ids import check_name
from iotronic_mec.rpc.expose import expose

if TYPE_CHECKING:
    from sqlalchemy import Connection

CHANGEABLE = frozenset({"name", "description", "extra"})
"""What an update may change."""


class FleetCommands:
    """Fleets of projects.

    :param parts: what commands are built from
    :param made: the commands of earlier features; none is needed
    """

    namespace = KIND

    def __init__(self, parts: Parts, made: Mapping[str, Any]) -> None:
        del made
        self._parts = parts

    @expose
    def create(
        self,
        context: Context,
        *,
        name: str,
        description: str = "",
        extra: dict[str, Any] | None = None,
    ) -> str:
        """Make a fleet in the caller's project; return its uuid.

        :raises FleetExists: the project has one of this name
        """
        made = Fleet(
            uuid=context.new_uuid(KIND),
            project=context.project,
            name=check_name(name),
            description=description,
            extra=extra or {},
            created_at=self._parts.clock.now(),
        )

        def change(connection: Connection) -> None:
            known = store.find_fleet(connection, made.project, made.name)
            if known is not None and known.uuid == made.uuid:
                return  # the same request before
            if known is not None:
                raise FleetExists(f"name: a fleet named {made.name} exists in this project")
            self._parts.quota.check(connection, made.project, "fleets")
            store.insert_fleet(connection, made)
            self._note(connection, context, "create", made, {"name": made.name})

        self._parts.database.write(change)
        return made.uuid

    @expose
    def update(self, context: Context, *, fleet: str, values: dict[str, Any]) -> str:
        """Change some fields of a fleet; return its uuid.

        :raises FleetNotFound: no such fleet in the project
        :raises FleetExists: the new name is taken
        """
        unknown = sorted(set(values) - CHANGEABLE)
        if unknown:
            raise BadRequest(f"{unknown[0]}: cannot be changed", details={"field": unknown[0]})

        def change(connection: Connection) -> str:
            found = self._target(connection, context, fleet)
            name = check_name(values.get("name", found.name))
            if name != found.name and store.find_fleet(connection, found.project, name):
                raise FleetExists(f"name: a fleet named {name} exists in this project")
            if values:
                changed = {**values, "updated_at": self._parts.clock.now()}
                store.update_fleet(connection, found.uuid, changed)
                self._note(connection, context, "update", found, {"fields": sorted(values)})
            return found.uuid

        return self._parts.database.write(change)

    @expose
    def delete(self, context: Context, *, fleet: str, release: bool = False) -> None:
        """Delete a fleet.

        :param release: take its boards out first; otherwise a fleet with
            boards stays
        :raises FleetInUse: it has boards
        """

        def change(connection: Connection) -> None:
            found = self._target(connection, context, fleet)
            if not release:
                for veto in self._parts.may_delete.get(KIND, ()):
                    veto(connection, found.uuid)
            for hook in self._parts.on_delete.get(KIND, ()):
                hook(self._parts, connection, found.uuid)
            store.delete_fleet(connection, found.uuid)
            self._note(connection, context, "delete", found, {"name": found.name})

        self._parts.database.write(change)

    def _target(self, connection: Connection, context: Context, fleet: str) -> Fleet:
        return store.get_fleet(
            connection, context.project, fleet, every=context.is_admin, held=True
        )

    def _note(
        self,
        connection: Connection,
        context: Context,
        verb: str,
        target: Fleet,
        details: dict[str, Any],
    ) -> None:
        context = context.acting_in(target.project)
        self._parts.audit(connection, context, f"fleet.{verb}", KIND, target.uuid, details=details)
        self._parts.emit(connection, target.project, f"fleet.{verb}d", target.uuid, details)
