"""Fleets: named sets of boards of a project."""

from __future__ import annotations

from iotronic_mec.counted import Counted
from iotronic_mec.feature import Feature, Lendable
from iotronic_mec.features.fleet import store
from iotronic_mec.features.fleet.api import ROUTES
from iotronic_mec.features.fleet.commands import FleetCommands
from iotronic_mec.features.fleet.policy import POLICIES

FEATURE = Feature(
    name="fleet",
    routes=ROUTES,
    policies=POLICIES,
    commands=FleetCommands,
    quotas=(Counted(resource="fleets", count=store.count_fleets),),
    lendable={"fleet": Lendable(find=store.find_place, resolve=store.resolve_place)},
    may_delete={"project": store.refuse_project},
)
