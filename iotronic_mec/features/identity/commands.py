"""The rules of users.

Who may call what is the policy's matter (``api.py``); here stand the rules
that hold for everyone: names are unique, the last administrator stays, nothing
is left without an owner, and every change is in the audit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from iotronic_mec.context import Context
from iotronic_mec.errors import BadRequest
from iotronic_mec.feature import Parts
from iotronic_mec.features.identity import store
from iotronic_mec.features.identity.model import (
    LastAdministrator,
    ProjectInUse,
    User,
    UserNameTaken,
    WrongPassword,
    check_roles,
)
from iotronic_mec.features.project import store as project_store
from iotronic_mec.ids import check_name
from iotronic_mec.page import Page
from iotronic_mec.passwords import (
    MAX_PASSWORD,
    MIN_PASSWORD,
    Passwords,
)
from iotronic_mec.rpc.expose import expose

if TYPE_CHECKING:
    from sqlalchemy import Connection

EVERYTHING = Page(limit=10_000)
"""For the command line, which does not page."""


class IdentityCommands:
    """Changes of users.

    :param parts: what commands are built from
    :param made: the commands of earlier features; none is needed
    :param passwords: other parameters of the hash, for tests
    """

    namespace = "identity"

    def __init__(
        self, parts: Parts, made: Mapping[str, Any], passwords: Passwords | None = None
    ) -> None:
        del made
        self._parts = parts
        self._passwords = passwords or Passwords()

    @expose
    def create_user(
        self,
        context: Context,
        *,
        name: str,
        password: str,
        project: str,
        roles: Sequence[str] = ("member",),
        enabled: bool = True,
    ) -> str:
        """Make a user with roles in a project; return its uuid.

        :raises UserNameTaken: another user has the name
        """
        hashed = self._hashed(password)
        held = check_roles(roles)
        now = self._parts.clock.now()
        uuid = context.new_uuid("user")

        def change(connection: Connection) -> None:
            home = project_store.get_project(connection, project)
            known = store.find_user(connection, check_name(name))
            if known is not None and known.uuid == uuid:
                return  # the same request before
            if known is not None:
                raise UserNameTaken(f"there is a user {name}")
            self._parts.quota.check(connection, home.uuid, "users")
            made = User(
                uuid=uuid,
                name=name,
                enabled=enabled,
                project=home.uuid,
                roles=held,
                created_at=now,
            )
            store.insert_user(connection, made, hashed)
            told = {"name": name, "project": home.uuid, "roles": list(held)}
            self._note(connection, context, "user.create", uuid, told)

        self._parts.database.write(change)
        return uuid

    @expose
    def create_user_with_role(
        self, context: Context, *, name: str, project: str, role: str, password: str
    ) -> dict[str, Any]:
        """Make a user, for ``iotronic-mec user create``."""
        uuid = self.create_user(
            context, name=name, password=password, project=project, roles=[role]
        )
        return {"uuid": uuid, "name": name, "project": project, "role": role}

    @expose
    def update_user(self, context: Context, *, user: str, values: dict[str, Any]) -> str:
        """Change ``name``, ``enabled``, ``project``, ``roles`` or ``password`` of a user.

        Roles are those in the user's project (the new one where it changes).

        :raises LastAdministrator: nobody would be left to administer the cloud
        """
        values = dict(values)
        told = {key: value for key, value in values.items() if key != "password"}
        if "password" in values:
            values["password_hash"] = self._hashed(values.pop("password"))
            told["password"] = "changed"  # noqa: S105 - a word for the audit, which hides it
        roles = check_roles(values.pop("roles")) if "roles" in values else None

        def change(connection: Connection) -> str:
            found = store.get_user(connection, user)
            self._rename(connection, found, values)
            home = found.project
            if "project" in values:
                home = values["project"] = project_store.get_project(
                    connection, values["project"]
                ).uuid
            if values:
                store.update_user(
                    connection, found.uuid, {**values, "updated_at": self._parts.clock.now()}
                )
            if roles is not None and home is not None:
                store.set_roles(connection, found.uuid, home, roles)
            self._keep_administrator(connection)
            self._note(connection, context, "user.update", found.uuid, told)
            return found.uuid

        return self._parts.database.write(change)

    @expose
    def set_password(
        self, context: Context, *, user: str, password: str, old_password: str | None = None
    ) -> None:
        """Set a user's password.

        :param old_password: checked when given
        :raises WrongPassword: it is not the present one
        """
        hashed = self._hashed(password)
        with self._parts.database.read() as connection:
            found = store.get_user(connection, user)
            stored = store.password_hash(connection, found.uuid)
        if old_password is not None and not self._passwords.matches(stored, old_password):
            raise WrongPassword()

        def change(connection: Connection) -> None:
            values = {"password_hash": hashed, "updated_at": self._parts.clock.now()}
            store.update_user(connection, found.uuid, values)
            self._note(connection, context, "user.password", found.uuid, {"name": found.name})

        self._parts.database.write(change)

    @expose
    def delete_user(self, context: Context, *, user: str) -> None:
        """Delete a user with its tokens; what it made stays with its project.

        :raises LastAdministrator: nobody would be left to administer the cloud
        """

        def change(connection: Connection) -> None:
            found = store.get_user(connection, user)
            store.delete_user(connection, found.uuid)
            self._keep_administrator(connection)
            self._note(connection, context, "user.delete", found.uuid, {"name": found.name})

        self._parts.database.write(change)

    @expose
    def list_users(self, context: Context) -> list[dict[str, Any]]:
        """List users, for ``iotronic-mec user list``."""
        del context
        with self._parts.database.read() as connection:
            users = store.list_users(connection, EVERYTHING)
            names = {
                each.uuid: each.name
                for each in project_store.list_projects(connection, EVERYTHING)
            }
        return [
            {
                "uuid": each.uuid,
                "name": each.name,
                "enabled": each.enabled,
                "project": names.get(each.project or "", ""),
                "roles": list(each.roles),
            }
            for each in users
        ]

    def _hashed(self, password: str) -> str:
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            raise BadRequest(
                f"password: {MIN_PASSWORD} to {MAX_PASSWORD} characters are expected",
                details={"field": "password"},
            )
        return self._passwords.hash(password)

    def _rename(self, connection: Connection, found: User, values: Mapping[str, Any]) -> None:
        name = values.get("name", found.name)
        if name != found.name and store.find_user(connection, check_name(name)):
            raise UserNameTaken(f"there is a user {name}")

    def _keep_administrator(self, connection: Connection) -> None:
        if not store.count_administrators(connection):
            raise LastAdministrator()

    def _note(
        self,
        connection: Connection,
        context: Context,
        action: str,
        target: str,
        details: Mapping[str, Any],
    ) -> None:
        kind = action.partition(".")[0]
        # users are of the whole cloud; what one does to oneself is of the own project
        context = context if target == context.user else context.acting_in("")
        self._parts.audit(connection, context, action, kind, target, details=details)


def no_users(connection: Connection, project: str) -> None:
    """Let a project be deleted that no user belongs to.

    :raises ProjectInUse: says how many do
    """
    users = store.count_users(connection, project)
    if users:
        raise ProjectInUse(f"the project has {users} users; delete them or their roles first")
