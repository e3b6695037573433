"""Rules on services: create, change, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from iotronic_mec.context import Context
from iotronic_mec.errors import BadRequest
from iotronic_mec.feature import Parts
from iotronic_mec.features.service import store
from iotronic_mec.features.service.model import (
    KIND,
    PROTOCOLS,
    Service,
    ServiceExists,
    ServiceNotYours,
)
from iotronic_mec.ids import check_name
from iotronic_mec.rpc.expose import expose

if TYPE_CHECKING:
    from sqlalchemy import Connection

CHANGEABLE = frozenset({"name", "port", "protocol", "public", "extra"})
"""What an update may change."""

_BOUND = frozenset({"port", "protocol"})
"""What may not change while it is exposed: the open tunnels go by it."""


class ServiceCommands:
    """Services of projects.

    :param parts: what commands are built from
    :param made: the commands of earlier features; none is needed
    """

    namespace = "service"

    def __init__(self, parts: Parts, made: Mapping[str, Any]) -> None:
        del made
        self._parts = parts

    @expose
    def create(
        self,
        context: Context,
        *,
        name: str,
        port: int,
        protocol: str = "TCP",
        public: bool = False,
        extra: dict[str, Any] | None = None,
    ) -> str:
        """Make a service; return its uuid.

        Repeated with the same Idempotency-Key it finds what the first try made.

        :raises ServiceExists: the project has one of this name
        """
        _check(port=port, protocol=protocol)
        made = Service(
            uuid=context.new_uuid(KIND),
            project=context.project,
            name=check_name(name),
            port=port,
            protocol=protocol,
            public=public,
            extra=extra or {},
            created_at=self._parts.clock.now(),
        )

        def change(connection: Connection) -> None:
            known = store.find_named(connection, context.project, name)
            if known is not None and known.uuid == made.uuid:
                return  # the same request before
            _check_free(known, name)
            self._parts.quota.check(connection, made.project, "services")
            store.insert_service(connection, made)
            self._note(connection, context, "create", made, {"name": name})

        self._parts.database.write(change)
        return made.uuid

    @expose
    def update(self, context: Context, *, service: str, values: dict[str, Any]) -> str:
        """Change some fields of a service; return its uuid.

        :raises ServiceExists: the new name is taken
        :raises Conflict: port or protocol of a service that is exposed
        """
        unknown = sorted(set(values) - CHANGEABLE)
        if unknown:
            raise BadRequest(f"{unknown[0]}: cannot be changed", details={"field": unknown[0]})
        _check(**{key: values[key] for key in _BOUND if key in values})

        def change(connection: Connection) -> str:
            old = self._own(connection, context, service)
            changed = {key: each for key, each in values.items() if getattr(old, key) != each}
            if "name" in changed:
                name = check_name(changed["name"])
                _check_free(store.find_named(connection, old.project, name), name)
            if _BOUND & set(changed):
                self._refuse_used(connection, old)
            if changed:
                now = self._parts.clock.now()
                store.update_service(connection, old.uuid, {**changed, "updated_at": now})
                self._note(connection, context, "update", old, {"fields": sorted(changed)})
            return old.uuid

        return self._parts.database.write(change)

    @expose
    def delete(self, context: Context, *, service: str) -> None:
        """Delete a service.

        :raises Conflict: it is exposed on a board
        """

        def change(connection: Connection) -> None:
            old = self._own(connection, context, service)
            self._refuse_used(connection, old)
            store.delete_service(connection, old.uuid)
            self._note(connection, context, "delete", old, {})

        self._parts.database.write(change)

    def _own(self, connection: Connection, context: Context, ident: str) -> Service:
        """Return a service the caller may change.

        :raises ServiceNotYours: it is another project's, and public
        """
        found = store.get_service(connection, context.project, ident, every=context.is_admin)
        if found.project != context.project and not context.is_admin:
            raise ServiceNotYours()
        return found

    def _refuse_used(self, connection: Connection, found: Service) -> None:
        for veto in self._parts.may_delete.get(KIND, ()):
            veto(connection, found.uuid)

    def _note(
        self,
        connection: Connection,
        context: Context,
        verb: str,
        about: Service,
        details: dict[str, Any],
    ) -> None:
        action = f"{KIND}.{verb}"
        context = context.acting_in(about.project)
        self._parts.audit(connection, context, action, KIND, about.uuid, details=details)
        self._parts.emit(connection, about.project, f"{action}d", about.uuid, details)


def _check(*, port: int = 1, protocol: str = "TCP") -> None:
    if not 1 <= port <= 65_535:
        raise BadRequest("port: 1 to 65535 is expected", details={"field": "port"})
    if protocol not in PROTOCOLS:
        raise BadRequest(
            f"protocol: one of {', '.join(PROTOCOLS)} is expected", details={"field": "protocol"}
        )


def _check_free(known: Service | None, name: str) -> None:
    if known is not None:
        raise ServiceExists(
            f"name: a service named {name} exists in this project", details={"field": "name"}
        )
