"""Services: what boards may be reached for, as ``ssh`` on TCP port 22."""

from __future__ import annotations

from iotronic_mec.counted import Counted
from iotronic_mec.feature import Feature
from iotronic_mec.features.service import store
from iotronic_mec.features.service.api import ROUTES
from iotronic_mec.features.service.commands import ServiceCommands
from iotronic_mec.features.service.policy import POLICIES

FEATURE = Feature(
    name="service",
    routes=ROUTES,
    policies=POLICIES,
    commands=ServiceCommands,
    quotas=(Counted(resource="services", count=store.count_services),),
    may_delete={"project": store.refuse_project},
)
