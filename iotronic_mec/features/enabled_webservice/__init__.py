"""Enabled web services: a board's own name, and two public ports for HTTP and HTTPS."""

from __future__ import annotations

from iotronic_mec.counted import Counted
from iotronic_mec.feature import Feature, Periodic
from iotronic_mec.features.enabled_webservice import store
from iotronic_mec.features.enabled_webservice.api import ROUTES
from iotronic_mec.features.enabled_webservice.commands import EnabledWebserviceCommands
from iotronic_mec.features.enabled_webservice.policy import POLICIES

FEATURE = Feature(
    name="enabled_webservice",
    routes=ROUTES,
    policies=POLICIES,
    commands=EnabledWebserviceCommands,
    quotas=(Counted(resource="enabled_webservices", count=store.count_enabled),),
    periodics=(
        Periodic(
            name="resume-enabled-webservices",
            every_s=15.0,
            run=lambda parts, made: made["enabled_webservice"].resume(),
        ),
    ),
)
