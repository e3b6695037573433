"""What there may be only so many of: who counts, and who says no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol


class QuotaKeeper(Protocol):
    """What a project may have; implemented by the feature *quota*."""

    def check(self, connection: Any, project: str, resource: str, adding: int = 1) -> None:
        """Let pass what the project may still have, inside the transaction that makes it.

        :raises iotronic_mec.errors.Forbidden: names resource, limit and what is used
        """

    def check_known(self, resource: str) -> None:
        """Refuse the name of what is not counted."""

    def limit(self, connection: Any, project: str, resource: str) -> int:
        """Return how many a project may have; -1 for any number."""

    def list_all(self, connection: Any, project: str) -> list[Any]:
        """Return all limits of a project with what is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A kind of thing a project may have only so many of.

    The default limit is an option of this name in ``conf/quota.py``.

    :param resource: plural, as in ``[quota] boards``
    :param count: called with (connection, project); returns how many there are
    """

    resource: str
    count: Callable[[Any, str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A limit of requests: ``per_s`` a second, 0 for none; ``burst`` at once, >= 1."""

    per_s: float = 0.0
    burst: int = 100


NO_RATE = Rate()


class NoQuota:
    """No limits at all: for tests, and tools that make nothing for tenants."""

    def check(self, connection: Any, project: str, resource: str, adding: int = 1) -> None:
        """Let pass."""

    def check_known(self, resource: str) -> None:
        """Know everything."""

    def limit(self, connection: Any, project: str, resource: str) -> int:
        """Return that there is none."""
        return -1

    def list_all(self, connection: Any, project: str) -> list[Any]:
        """Return nothing."""
        return []


NO_QUOTA = NoQuota()
