"""What a token is, what it may do, and its errors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from iotronic_mec.errors import Conflict, NotFound
from iotronic_mec.features.identity.model import rank

MAX_TOKENS = 200
"""Most tokens one user may have."""


class TokenNotFound(NotFound):
    """There is no such token."""

    code = "iot.token.not_found"


class TooManyTokens(Conflict):
    """The user has as many tokens as one may have; delete some."""

    code = "iot.token.too_many"


class AmbiguousToken(Conflict):
    """Several tokens have this name; use the uuid."""

    code = "iot.token.ambiguous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A secret that stands for its user in one project; the secret is not kept.

    :param role: the most it may do, ``None`` for all that its user may
    """

    uuid: str
    name: str
    user: str
    user_name: str
    project: str
    role: str | None
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


def limited(roles: tuple[str, ...], most: str | None) -> tuple[str, ...]:
    """Return what is left of a user's roles under a token's limit.

    >>> limited(("admin",), "reader")
    ('reader',)
    >>> limited(("reader",), "admin")
    ('reader',)
    """
    if most is None or rank(roles) < rank((most,)):
        return roles
    return (most,)


def limit(acting: tuple[str, ...], held: tuple[str, ...], asked: str | None) -> str | None:
    """Return the limit of a new token: never more than its maker acts with.

    Who acts by a limited token cannot make an unlimited one with it.

    :param acting: roles the maker acts with now
    :param held: roles the user holds in the project
    :param asked: limit asked for
    """
    if rank(acting) >= rank(held):
        return asked
    if asked is not None and rank((asked,)) <= rank(acting):
        return asked
    return max(acting, key=lambda role: rank((role,)))
