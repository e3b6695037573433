"""Rights on orders on a plugin to a whole fleet."""

from __future__ import annotations

from iotronic_mec.feature import Policy

POLICIES = (
    Policy(
        name="iot:fleet_plugin_inject:put",
        check="rule:iot_member",
        description="Inject a plugin on all boards of a fleet of the own project, or one lent",
        operations=(("PUT", "/v1/fleets/{fleet}/plugins"),),
    ),
    Policy(
        name="iot:fleet_plugin_action:post",
        check="rule:iot_member",
        description="Call, start or stop a plugin on all boards of a fleet",
        operations=(("POST", "/v1/fleets/{fleet}/plugins/{plugin}"),),
    ),
    Policy(
        name="iot:fleet_plugin_remove:delete",
        check="rule:iot_member",
        description="Remove a plugin from all boards of a fleet",
        operations=(("DELETE", "/v1/fleets/{fleet}/plugins/{plugin}"),),
    ),
)
