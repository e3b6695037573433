"""Rules on plugins: create, change, delete.

The bytes are in the storage before a command is called: the API has checked
and stored them within a reservation, and passes their digest and size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iotronic_mec.context import Context
from iotronic_mec.errors import BadRequest
from iotronic_mec.feature import Parts
from iotronic_mec.features.blob import store as blob_store
from iotronic_mec.features.blob.model import BlobMissing
from iotronic_mec.features.plugin import store
from iotronic_mec.features.plugin.model import (
    FORMATS,
    KIND,
    Plugin,
    PluginExists,
    check_changeable,
)
from iotronic_mec.ids import check_name
from iotronic_mec.rpc.expose import expose

if TYPE_CHECKING:
    from sqlalchemy import Connection

CHANGEABLE = frozenset({"name", "public", "callable", "parameters", "extra"})
"""What an update may change beside the content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    """Stored bytes, and the reservation that ends with their first use."""

    format: str
    digest: str
    size: int
    reservation: str


class PluginCommands:
    """Plugins of projects.

    :param parts: what commands are built from
    :param made: the commands of earlier features; none is needed
    """

    namespace = "plugin"

    def __init__(self, parts: Parts, made: Mapping[str, Any]) -> None:
        self._parts = parts

    @expose
    def create(
        self,
        context: Context,
        *,
        name: str,
        content: dict[str, Any],
        public: bool = False,
        callable: bool = False,
        parameters: dict[str, Any] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Create a plugin from stored bytes.

        Repeated with the same Idempotency-Key it finds what the first try made.

        :param content: ``{"format", "digest", "size", "reservation"}``
        :returns: ``{"uuid"}``
        :raises PluginExists: the project has one of this name
        :raises BlobMissing: the bytes are not in the storage
        """
        stored = self._content(content)
        now = self._parts.clock.now()
        new = Plugin(
            uuid=context.new_uuid(KIND),
            project=context.project,
            owner=context.user,
            name=check_name(name),
            public=public,
            callable=callable,
            parameters=parameters or {},
            extra=extra or {},
            format=stored.format,
            digest=stored.digest,
            size=stored.size,
            created_at=now,
        )

        def change(connection: Connection) -> None:
            if self._repeats(connection, context, new.uuid):
                blob_store.release(connection, stored.reservation)
                return
            self._check_free(connection, new.project, new.name)
            self._parts.quota.check(connection, new.project, "plugins")
            self._use(connection, new.project, new.uuid, stored)
            store.insert_plugin(connection, new)
            self._note(connection, context, "create", new, {"digest": new.digest})

        self._parts.database.write(change)
        return {"uuid": new.uuid}

    @expose
    def update(
        self,
        context: Context,
        *,
        plugin: str,
        values: dict[str, Any],
        content: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Change some fields of a plugin, or its content.

        Boards keep the content they have until the plugin is injected anew.

        :param values: some of :data:`CHANGEABLE`
        :param content: as for :meth:`create`, ``None`` to keep it
        :returns: ``{"uuid"}``
        :raises PluginNotFound: no such plugin for this project
        :raises PluginForbidden: it belongs to another project
        :raises PluginExists: the new name is taken
        """
        unknown = sorted(set(values) - CHANGEABLE)
        if unknown:
            raise BadRequest(f"{unknown[0]}: cannot be changed", details={"field": unknown[0]})
        if "name" in values:
            check_name(values["name"])
        stored = None if content is None else self._content(content)
        now = self._parts.clock.now()

        def change(connection: Connection) -> str:
            old = self._own(connection, context, plugin)
            changes = dict(values)
            if changes.get("name", old.name) != old.name:
                self._check_free(connection, old.project, changes["name"])
            if stored is not None:
                blob_store.unuse(connection, old.project, KIND, old.uuid, now=now)
                self._use(connection, old.project, old.uuid, stored)
                changes |= {
                    "format": stored.format,
                    "digest": stored.digest,
                    "size": stored.size,
                }
            if not changes:
                return old.uuid
            new = store.update_plugin(connection, old, changes, now)
            details = {"fields": sorted(changes), "digest": new.digest}
            self._note(connection, context, "update", new, details)
            return new.uuid

        return {"uuid": self._parts.database.write(change)}

    @expose
    def delete(self, context: Context, *, plugin: str) -> None:
        """Delete a plugin that is injected nowhere.

        :raises PluginNotFound: no such plugin for this project
        :raises PluginForbidden: it belongs to another project
        :raises PluginInUse: it is injected on a board
        """

        def change(connection: Connection) -> None:
            old = self._own(connection, context, plugin)
            for veto in self._parts.may_delete.get(KIND, ()):
                veto(connection, old.uuid)
            now = self._parts.clock.now()
            blob_store.unuse(connection, old.project, KIND, old.uuid, now=now)
            store.delete_plugin(connection, old.uuid)
            self._note(connection, context, "delete", old, {})

        self._parts.database.write(change)

    def _content(self, content: dict[str, Any]) -> _Content:
        """Read what the API says it stored, and see that it is there."""
        stored = _Content(**content)
        if stored.format not in FORMATS:
            raise BadRequest("format: py or zip is expected", details={"field": "format"})
        storage = self._parts.storage
        if not storage.exists(stored.digest) or storage.size(stored.digest) != stored.size:
            raise BlobMissing(f"the bytes of {stored.digest} are not in the storage")
        return stored

    def _own(self, connection: Connection, context: Context, plugin: str) -> Plugin:
        found = store.get_plugin(
            connection, context.project, plugin, every_project=context.is_admin
        )
        check_changeable(found, context.project, is_admin=context.is_admin)
        return found

    def _repeats(self, connection: Connection, context: Context, uuid: str) -> bool:
        """Whether a first try with this Idempotency-Key made the plugin."""
        if context.idempotency is None:
            return False
        found = store.find_plugin(connection, uuid)
        return found is not None and found.project == context.project

    def _check_free(self, connection: Connection, project: str, name: str) -> None:
        if store.find_named(connection, project, name) is not None:
            raise PluginExists(
                f"name: a plugin named {name} exists in this project", details={"field": "name"}
            )

    def _use(self, connection: Connection, project: str, uuid: str, stored: _Content) -> None:
        blob_store.use(
            connection,
            project,
            stored.digest,
            stored.size,
            KIND,
            uuid,
            now=self._parts.clock.now(),
            reservation=stored.reservation,
        )

    def _note(
        self,
        connection: Connection,
        context: Context,
        verb: str,
        plugin: Plugin,
        details: dict[str, Any],
    ) -> None:
        self._parts.audit(
            connection,
            context.acting_in(plugin.project),
            f"plugin.{verb}",
            KIND,
            plugin.uuid,
            details={"name": plugin.name, **details},
        )
        body = {"name": plugin.name, "public": plugin.public, **details}
        self._parts.emit(connection, plugin.project, f"plugin.{verb}d", plugin.uuid, body)
