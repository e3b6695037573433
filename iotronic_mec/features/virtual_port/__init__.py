"""Virtual ports: a network's port that becomes an interface of a board."""

from __future__ import annotations

from iotronic_mec.counted import Counted
from iotronic_mec.feature import Feature, Periodic
from iotronic_mec.features.virtual_port import store
from iotronic_mec.features.virtual_port.api import ROUTES
from iotronic_mec.features.virtual_port.commands import VirtualPortCommands
from iotronic_mec.features.virtual_port.policy import POLICIES

FEATURE = Feature(
    name="virtual_port",
    routes=ROUTES,
    policies=POLICIES,
    commands=VirtualPortCommands,
    quotas=(Counted(resource="ports", count=store.count_ports),),
    periodics=(
        Periodic(
            name="resume-virtual-ports",
            every_s=15.0,
            run=lambda parts, made: made["virtual_port"].resume(),
        ),
    ),
)
