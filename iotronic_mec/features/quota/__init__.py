"""Quota: how many things of each kind a project may have."""

from __future__ import annotations

from typing import Any

from iotronic_mec.feature import Feature, Parts
from iotronic_mec.features.quota import store
from iotronic_mec.features.quota.api import ROUTES
from iotronic_mec.features.quota.commands import QuotaCommands
from iotronic_mec.features.quota.policy import POLICIES


def _forget(_parts: Parts, connection: Any, project: str) -> None:
    """Drop the limits of a project that goes."""
    store.reset(connection, project, None)


FEATURE = Feature(
    name="quota",
    routes=ROUTES,
    policies=POLICIES,
    commands=QuotaCommands,
    on_delete={"project": _forget},
)
