"""What users are, their roles, and their errors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from iotronic_mec.errors import BadRequest, Conflict, Forbidden, NotFound

ADMIN = "admin"

RANK = {
    "reader": 1,
    "user_iot": 2,
    "member": 3,
    "admin_iot_project": 3,
    "manager_iot_project": 3,
    "admin": 4,
    "administrator": 4,
}
"""Roles by what they include: each those below it."""


class UserNotFound(NotFound):
    """There is no such user."""

    code = "iot.user.not_found"


class UserNameTaken(Conflict):
    """There is a user of this name."""

    code = "iot.user.name_taken"


class LastAdministrator(Conflict):
    """The cloud needs at least one administrator who can log in."""

    code = "iot.identity.last_administrator"


class ProjectInUse(Conflict):
    """The project has users."""

    code = "iot.project.in_use"


class WrongPassword(Forbidden):
    """The old password is not right."""

    code = "iot.user.wrong_password"


class UnknownRole(BadRequest):
    """There is no such role."""

    code = "iot.identity.unknown_role"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who may log in, with the roles in the project acted in by default."""

    uuid: str
    name: str
    enabled: bool
    project: str | None
    roles: tuple[str, ...]
    created_at: datetime
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A user acting in one project; what the API's authenticator asks for."""

    user: str
    user_name: str
    project: str = ""
    roles: tuple[str, ...] = ()
    password_hash: str = ""
    token: str = ""
    expires_at: datetime | None = None
    last_used_at: datetime | None = None


def check_roles(roles: Iterable[str]) -> tuple[str, ...]:
    """Return the roles, each once.

    :raises UnknownRole: names those there are
    """
    given = tuple(dict.fromkeys(roles))
    unknown = [role for role in given if role not in RANK]
    if unknown or not given:
        known = ", ".join(sorted(RANK))
        raise UnknownRole(
            f"roles: one or more of {known} are expected", details={"field": "roles"}
        )
    return given


def rank(roles: Iterable[str]) -> int:
    """Return how much the strongest of the roles includes; 0 for none known."""
    return max((RANK.get(role, 0) for role in roles), default=0)
