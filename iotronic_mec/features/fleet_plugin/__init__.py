"""Orders on a plugin to all boards of a fleet: one request, a result for each board."""

from __future__ import annotations

from iotronic_mec.feature import Feature
from iotronic_mec.features.fleet_plugin.api import ROUTES
from iotronic_mec.features.fleet_plugin.commands import FleetPluginCommands
from iotronic_mec.features.fleet_plugin.policy import POLICIES

FEATURE = Feature(
    name="fleet_plugin",
    routes=ROUTES,
    policies=POLICIES,
    commands=FleetPluginCommands,
)
