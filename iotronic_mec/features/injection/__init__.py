"""Injections: one plugin on one board, as wanted and as it is."""

from __future__ import annotations

from iotronic_mec.counted import Counted
from iotronic_mec.feature import Feature
from iotronic_mec.features.injection import reports, store
from iotronic_mec.features.injection.access import LIST, WORDS
from iotronic_mec.features.injection.api import ROUTES
from iotronic_mec.features.injection.commands import InjectionCommands
from iotronic_mec.features.injection.model import ACTIONS, INJECT, REMOVE
from iotronic_mec.features.injection.policy import POLICIES

FEATURE = Feature(
    name="injection",
    routes=ROUTES,
    policies=POLICIES,
    commands=InjectionCommands,
    quotas=(Counted(resource="injections", count=store.count_injections),),
    on_finished={
        "PluginInject": reports.inject_finished,
        "PluginStart": reports.run_finished,
        "PluginStop": reports.run_finished,
        "PluginReboot": reports.run_finished,
        REMOVE: reports.remove_finished,
    },
    transient={
        "PluginInject": reports.inject_parameters,
        "PluginStart": reports.run_parameters,
        "PluginReboot": reports.run_parameters,
    },
    on_lease_end={"plugin": reports.lease_ended},
    may_delete={"plugin": store.refuse_injected},
    on_delete={"board": reports.board_deleted},
    actions=frozenset({*ACTIONS, INJECT, REMOVE}),
    lent_actions={
        "board": {**WORDS, **LIST},
        "fleet": {**WORDS, **LIST},
        "plugin": WORDS,
    },
    on_join=reports.joined,
    on_report=reports.reported,
)
