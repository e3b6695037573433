"""Grants: lending operations on what a project has, on terms, revocable at once."""

from __future__ import annotations

from iotronic_mec.counted import Counted
from iotronic_mec.feature import Feature
from iotronic_mec.features.grant import store
from iotronic_mec.features.grant.api import ROUTES
from iotronic_mec.features.grant.commands import GrantCommands, thing_deleted
from iotronic_mec.features.grant.model import BOARD, FLEET
from iotronic_mec.features.grant.periodic import PERIODICS
from iotronic_mec.features.grant.policy import POLICIES

FEATURE = Feature(
    name="grant",
    routes=ROUTES,
    policies=POLICIES,
    commands=GrantCommands,
    periodics=PERIODICS,
    quotas=(Counted(resource="grants", count=store.count_grants),),
    on_delete={kind: thing_deleted(kind) for kind in (BOARD, FLEET)},
)
