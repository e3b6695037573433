"""Plugins: tenants' programs for boards."""

from __future__ import annotations

from iotronic_mec.counted import Counted
from iotronic_mec.feature import Feature, Lendable
from iotronic_mec.features.plugin import store
from iotronic_mec.features.plugin.api import ROUTES
from iotronic_mec.features.plugin.commands import PluginCommands
from iotronic_mec.features.plugin.policy import POLICIES

FEATURE = Feature(
    name="plugin",
    routes=ROUTES,
    policies=POLICIES,
    commands=PluginCommands,
    quotas=(Counted(resource="plugins", count=store.count_plugins),),
    lendable={"plugin": Lendable(find=store.find_place, resolve=store.resolve_place)},
    lent_actions={"plugin": {"plugin.get": "show and download the plugin"}},
    may_delete={"project": store.refuse_project},
)
