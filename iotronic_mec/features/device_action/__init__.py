"""Actions of boards: to one board, or to all of a fleet."""

from __future__ import annotations

from iotronic_mec.feature import Feature
from iotronic_mec.features.device_action import reports
from iotronic_mec.features.device_action.api import ROUTES
from iotronic_mec.features.device_action.commands import DeviceActionCommands
from iotronic_mec.features.device_action.model import ACTIONS, FACTORY_RESET, REST_SUBMIT
from iotronic_mec.features.device_action.policy import POLICIES

FEATURE = Feature(
    name="device_action",
    routes=ROUTES,
    policies=POLICIES,
    commands=DeviceActionCommands,
    actions=frozenset(ACTIONS),
    on_finished={
        FACTORY_RESET: reports.reset_finished,
        REST_SUBMIT: reports.rest_finished,
    },
)
