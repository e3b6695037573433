"""What commands ask before they make one more: :class:`Quotas`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from iotronic_mec.counted import Counted
from iotronic_mec.features.quota import store
from iotronic_mec.features.quota.model import UNLIMITED, Quota, QuotaExceeded, UnknownResource


class Quotas:
    """Says no inside the transaction that would make one thing too many.

    There is one writer at a time, on every engine, so what is counted here
    cannot change before the transaction ends.

    :param counted: what all features count
    :param defaults: limit by resource; -1 is none
    """

    def __init__(self, counted: Iterable[Counted], defaults: Mapping[str, int]) -> None:
        self._counts = {each.resource: each.count for each in counted}
        self._defaults = defaults

    def check(self, connection: Any, project: str, resource: str, adding: int = 1) -> None:
        """Let pass what the project may still have.

        :param adding: how many more there would be
        :raises QuotaExceeded: names resource, limit and what is used
        """
        most = self.limit(connection, project, resource)
        if most == UNLIMITED:
            return
        used = self._counts[resource](connection, project)
        if used + adding <= most:
            return
        raise QuotaExceeded(
            f"the project may have {most} {resource.replace('_', ' ')} and has {used}; "
            "delete some, or ask an administrator for more",
            details={"resource": resource, "limit": most, "used": used, "wanted": adding},
        )

    def limit(self, connection: Any, project: str, resource: str) -> int:
        """Return how many a project may have; -1 for any number."""
        own = store.find_most(connection, project, resource)
        return self._default(resource) if own is None else own

    def list_all(self, connection: Any, project: str) -> list[Quota]:
        """Return all limits of a project with what is used, by name."""
        own = store.list_own(connection, project)
        return [
            Quota(
                resource=resource,
                limit=own.get(resource, self._default(resource)),
                default=self._default(resource),
                used=count(connection, project),
            )
            for resource, count in sorted(self._counts.items())
        ]

    def check_known(self, resource: str) -> None:
        """Refuse the name of what is not counted.

        :raises UnknownResource: names those there are
        """
        if resource not in self._counts:
            known = ", ".join(sorted(self._counts))
            raise UnknownResource(
                f"{resource[:64]}: no quota of this name; there are: {known}",
                details={"field": "limits", "known": sorted(self._counts)},
            )

    def _default(self, resource: str) -> int:
        return self._defaults.get(resource, UNLIMITED)
