"""Web services: a web server of a board under a host name."""

from __future__ import annotations

from iotronic_mec.counted import Counted
from iotronic_mec.feature import Feature, Periodic
from iotronic_mec.features.webservice import store
from iotronic_mec.features.webservice.api import ROUTES
from iotronic_mec.features.webservice.commands import WebserviceCommands
from iotronic_mec.features.webservice.policy import POLICIES

FEATURE = Feature(
    name="webservice",
    routes=ROUTES,
    policies=POLICIES,
    commands=WebserviceCommands,
    quotas=(Counted(resource="webservices", count=store.count_webservices),),
    may_delete={"enabled_webservice": store.refuse_published},
    periodics=(
        Periodic(
            name="resume-webservices",
            every_s=15.0,
            run=lambda parts, made: made["webservice"].resume(),
        ),
    ),
)
