"""What another project's thing is to somebody who was lent an operation on it."""

from __future__ import annotations

from dataclasses import dataclass

from iotronic_mec.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose a thing is, and what it is a part of, as kind and uuid."""

    uuid: str
    project: str
    within: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """An operation on another project's thing that a grant lets pass.

    :param missing: what is answered when it does not pass any more
    """

    grant: str
    kind: str
    uuid: str
    action: str
    missing: NotFound
