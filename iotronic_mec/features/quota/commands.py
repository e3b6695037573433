"""The rules of quotas: who has how much, and other limits for single projects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from iotronic_mec.context import Context
from iotronic_mec.feature import Parts
from iotronic_mec.features.project import store as project_store
from iotronic_mec.features.project.model import ProjectNotFound
from iotronic_mec.features.quota import store
from iotronic_mec.ids import is_uuid, normal_uuid
from iotronic_mec.rpc.expose import expose

if TYPE_CHECKING:
    from sqlalchemy import Connection

KEYSTONE = "keystone"


class QuotaCommands:
    """Limits of projects. Reading is here too: counting is the features'.

    :param parts: what commands are built from
    :param made: the commands of earlier features; none is needed
    """

    namespace = "quota"

    def __init__(self, parts: Parts, made: Mapping[str, Any]) -> None:
        del made
        self._parts = parts

    @expose
    def show(self, context: Context, *, project: str) -> dict[str, Any]:
        """Return a project's limits and what is used.

        :returns: ``{"project", "quotas": [{"resource", "limit", "default", "used"}]}``
        :raises ProjectNotFound: there is none of this name or uuid
        """
        with self._parts.database.read() as connection:
            uuid = self._project(connection, context, project)
            listed = self._parts.quota.list_all(connection, uuid)
        return {"project": uuid, "quotas": [asdict(each) for each in listed]}

    @expose
    def update(self, context: Context, *, project: str, limits: dict[str, int]) -> None:
        """Give a project limits of its own; those not named stay.

        A limit below what is used takes nothing away; it refuses more.

        :param limits: resource to the most there may be, -1 for any number
        :raises UnknownResource: there is no such quota
        """
        for resource in limits:
            self._parts.quota.check_known(resource)

        def change(connection: Connection) -> None:
            uuid = self._project(connection, context, project)
            now = self._parts.clock.now()
            for resource, most in limits.items():
                store.put(connection, uuid, resource, most, now)
            if limits:
                self._parts.audit(
                    connection, context, "quota.update", "project", uuid, details=limits
                )

        self._parts.database.write(change)

    @expose
    def reset(self, context: Context, *, project: str, resource: str | None = None) -> None:
        """Give a project the cloud's defaults again.

        :param resource: of this one only
        :raises UnknownResource: there is no such quota
        """
        if resource is not None:
            self._parts.quota.check_known(resource)

        def change(connection: Connection) -> None:
            uuid = self._project(connection, context, project)
            if store.reset(connection, uuid, resource):
                told = {"resource": resource}
                self._parts.audit(
                    connection, context, "quota.reset", "project", uuid, details=told
                )

        self._parts.database.write(change)

    def _project(self, connection: Connection, context: Context, ident: str) -> str:
        """Return the uuid of a project; with Keystone, any uuid is one."""
        if ident == context.project:
            return ident
        if self._parts.settings.auth_strategy != KEYSTONE:
            return project_store.get_project(connection, ident).uuid
        if not is_uuid(ident):
            raise ProjectNotFound(
                f"project {ident}: its uuid is needed, 'openstack project show {ident}' has it"
            )
        # Keystone writes no dashes; things are counted under our one spelling
        return normal_uuid(ident)
