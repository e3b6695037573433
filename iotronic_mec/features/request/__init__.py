"""Requests: orders to boards, and how each ended."""

from __future__ import annotations

from iotronic_mec.counted import Counted
from iotronic_mec.feature import Feature, Periodic
from iotronic_mec.features.request import store
from iotronic_mec.features.request.api import ROUTES
from iotronic_mec.features.request.commands import RequestCommands
from iotronic_mec.features.request.policy import POLICIES

FEATURE = Feature(
    name="request",
    routes=ROUTES,
    policies=POLICIES,
    commands=RequestCommands,
    quotas=(Counted(resource="requests", count=store.count_open),),
    periodics=(
        Periodic(
            name="expire-operations",
            every_s=5.0,
            run=lambda parts, made: made["request"].expire(),
        ),
        Periodic(
            name="prune-requests",
            every_s=600.0,
            run=lambda parts, made: made["request"].prune(),
        ),
    ),
)
