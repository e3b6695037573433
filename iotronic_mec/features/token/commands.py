"""The rules of tokens, and what the first start makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from iotronic_mec.clock import iso
from iotronic_mec.context import Context
from iotronic_mec.errors import BadRequest
from iotronic_mec.feature import Parts
from iotronic_mec.features.identity import store as identity_store
from iotronic_mec.features.identity.model import ADMIN, User, check_roles
from iotronic_mec.features.project import store as project_store
from iotronic_mec.features.project.model import Project
from iotronic_mec.features.token import store
from iotronic_mec.features.token.model import MAX_TOKENS, Token, TooManyTokens, limit
from iotronic_mec.page import Page
from iotronic_mec.passwords import Passwords, new_password, new_token, token_digest
from iotronic_mec.rpc.expose import expose

if TYPE_CHECKING:
    from sqlalchemy import Connection

EVERYTHING = Page(limit=10_000)
"""For the command line, which does not page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """A token that is asked for; user and project by uuid or name."""

    user: str
    project: str
    name: str
    role: str | None
    end: datetime | None


class TokenCommands:
    """Changes of tokens.

    :param parts: what commands are built from
    :param made: the commands of earlier features; none is needed
    :param passwords: other parameters of the hash, for tests
    """

    namespace = "token"

    def __init__(
        self, parts: Parts, made: Mapping[str, Any], passwords: Passwords | None = None
    ) -> None:
        del made
        self._parts = parts
        self._passwords = passwords or Passwords()

    @expose
    def first_start(
        self,
        context: Context,
        *,
        project_name: str = "default",
        keep: Callable[[dict[str, Any]], None] | None = None,
    ) -> dict[str, Any] | None:
        """Make a project and its administrator when there is no user at all.

        :param keep: writes down what is returned, called just before the commit:
            after a crash there is either nobody, and the next start begins
            anew, or an administrator whose password was kept; within the
            process only
        :returns: ``{"user", "password", "token"}``, ``None`` when there was a user
        """
        password, secret = new_password(), new_token()
        hashed = self._passwords.hash(password)
        now = self._parts.clock.now()
        project = Project(
            uuid=context.new_uuid("project"), name=project_name, description="", created_at=now
        )
        user = User(
            uuid=context.new_uuid("user"),
            name=ADMIN,
            enabled=True,
            project=project.uuid,
            roles=(ADMIN,),
            created_at=now,
        )
        token = _token_of(context, user, project.uuid, "first start", None, None, now)
        made = {"user": ADMIN, "password": password, "token": secret}

        def change(connection: Connection) -> bool:
            if identity_store.count_users(connection):
                return False
            project_store.insert_project(connection, project)
            identity_store.insert_user(connection, user, hashed)
            store.insert_token(connection, token, token_digest(secret))
            self._note(connection, context, "project.create", project.uuid, {"name": project_name})
            self._note(connection, context, "user.create", user.uuid, {"name": ADMIN})
            self._note(connection, context, "token.create", token.uuid, {"name": token.name})
            if keep is not None:
                keep(made)
            return True

        return made if self._parts.database.write(change) else None

    @expose
    def create(
        self,
        context: Context,
        *,
        name: str,
        role: str | None = None,
        expires_at: str | None = None,
    ) -> dict[str, Any]:
        """Make a token of the caller in the project it acts in.

        The secret is in this answer only.

        :param role: the most it may do, ``None`` for all that the caller may
        :param expires_at: ISO 8601 with a zone, ``None`` for the longest life
        :returns: ``{"uuid", "secret"}``
        """
        end = None if expires_at is None else datetime.fromisoformat(expires_at)
        wish = _Wish(user=context.user, project=context.project, name=name, role=role, end=end)
        return self._make(context, wish, context.roles)

    @expose
    def create_for(
        self, context: Context, *, user: str, project: str, name: str, life_s: float
    ) -> dict[str, Any]:
        """Make a token of any user, for ``iotronic-mec token create``."""
        end = self._parts.clock.now() + timedelta(seconds=life_s)
        wish = _Wish(user=user, project=project, name=name, role=None, end=end)
        return self._make(context, wish, (ADMIN,))

    @expose
    def list_all(self, context: Context) -> list[dict[str, Any]]:
        """List everyone's tokens, for ``iotronic-mec token list``."""
        del context
        with self._parts.database.read() as connection:
            tokens = store.list_tokens(connection, None, EVERYTHING)
        return [
            {
                "uuid": each.uuid,
                "name": each.name,
                "user": each.user_name,
                "role": each.role,
                "expires_at": iso(each.expires_at),
                "last_used_at": iso(each.last_used_at),
            }
            for each in tokens
        ]

    @expose
    def revoke(self, context: Context, *, token: str, owner: str | None = None) -> None:
        """Delete a token: it is refused from the next request on.

        :param owner: uuid of the user whose it must be, ``None`` for anyone's
        """

        def change(connection: Connection) -> None:
            found = store.get_token(connection, token, owner)
            store.delete_token(connection, found.uuid)
            told = {"name": found.name, "user": found.user}
            acting = context.acting_in(found.project)
            self._note(connection, acting, "token.revoke", found.uuid, told)

        self._parts.database.write(change)

    @expose
    def used(self, context: Context, *, token: str) -> None:
        """Note when a token was used; the API tells it once a minute at most."""
        del context
        now = self._parts.clock.now()
        self._parts.database.write(lambda connection: store.touch_token(connection, token, now))

    def _make(self, context: Context, wish: _Wish, acting: tuple[str, ...]) -> dict[str, Any]:
        now = self._parts.clock.now()
        end = _checked_end(wish.end, now, self._parts.settings.max_token_life_s)
        if wish.role is not None:
            check_roles((wish.role,))
        secret = new_token()

        def change(connection: Connection) -> Token:
            owner = identity_store.get_user(connection, wish.user)
            home = project_store.get_project(connection, wish.project)
            held = identity_store.roles_in(connection, owner.uuid, home.uuid)
            if not held:
                raise BadRequest(
                    f"project: {owner.name} has no role in {home.name}",
                    details={"field": "project"},
                )
            role = limit(acting, held, wish.role)
            made = _token_of(context, owner, home.uuid, wish.name, role, end, now)
            if context.idempotency and store.replace_digest(
                connection, made.uuid, token_digest(secret)
            ):
                return made  # the same request before, whose answer was lost
            if store.count_tokens(connection, owner.uuid) >= MAX_TOKENS:
                raise TooManyTokens()
            self._parts.quota.check(connection, home.uuid, "tokens")
            store.insert_token(connection, made, token_digest(secret))
            told = {"name": wish.name, "user": owner.uuid, "role": role, "expires_at": iso(end)}
            self._note(connection, context, "token.create", made.uuid, told)
            return made

        made = self._parts.database.write(change)
        return {"uuid": made.uuid, "secret": secret, "expires_at": iso(made.expires_at)}

    def _note(
        self,
        connection: Connection,
        context: Context,
        action: str,
        target: str,
        details: Mapping[str, Any],
    ) -> None:
        kind = action.partition(".")[0]
        self._parts.audit(connection, context, action, kind, target, details=details)


def _token_of(
    context: Context,
    owner: User,
    project: str,
    name: str,
    role: str | None,
    end: datetime | None,
    now: datetime,
) -> Token:
    return Token(
        uuid=context.new_uuid("token"),
        name=name,
        user=owner.uuid,
        user_name=owner.name,
        project=project,
        role=role,
        expires_at=end,
        last_used_at=None,
        created_at=now,
    )


def _checked_end(end: datetime | None, now: datetime, most_s: float) -> datetime | None:
    """Return when a token ends, within the longest life allowed (0: any)."""
    if end is not None and (end.tzinfo is None or end <= now):
        raise BadRequest(
            "expires_at: a moment in the future with its zone is expected",
            details={"field": "expires_at"},
        )
    if not most_s:
        return end
    last = now + timedelta(seconds=most_s)
    if end is not None and end > last:
        raise BadRequest(
            f"expires_at: a token lives {most_s:.0f} s at most", details={"field": "expires_at"}
        )
    return end or last
