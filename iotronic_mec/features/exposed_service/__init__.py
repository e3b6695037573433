"""Exposed services: a public port of the cloud that leads to a service of a board."""

from __future__ import annotations

from iotronic_mec.counted import Counted
from iotronic_mec.feature import Feature, Periodic
from iotronic_mec.features.exposed_service import store
from iotronic_mec.features.exposed_service.api import ROUTES
from iotronic_mec.features.exposed_service.commands import ExposedServiceCommands
from iotronic_mec.features.exposed_service.policy import POLICIES

FEATURE = Feature(
    name="exposed_service",
    routes=ROUTES,
    policies=POLICIES,
    commands=ExposedServiceCommands,
    quotas=(Counted(resource="exposed_services", count=store.count_exposed),),
    may_delete={"service": store.refuse_exposed},
    periodics=(
        Periodic(
            name="resume-exposed-services",
            every_s=15.0,
            run=lambda parts, made: made["exposed_service"].resume(),
        ),
    ),
)
