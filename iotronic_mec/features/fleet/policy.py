"""Rights on fleets; the names are IoTronic's."""

from __future__ import annotations

from iotronic_mec.feature import Policy

POLICIES = (
    Policy(
        name="iot:fleet:get",
        check="rule:iot_reader",
        description="List the fleets of the own project",
        operations=(("GET", "/v1/fleets"), ("GET", "/v1/fleets/detail")),
    ),
    Policy(
        name="iot:fleet:get_all",
        check="rule:iot_admin",
        description="List the fleets of another project",
        operations=(("GET", "/v1/fleets"), ("GET", "/v1/fleets/detail")),
    ),
    Policy(
        name="iot:fleet:get_one",
        check="rule:iot_reader",
        description="Show a fleet of the own project",
        operations=(("GET", "/v1/fleets/{fleet}"),),
    ),
    Policy(
        name="iot:fleet:create",
        check="rule:iot_member",
        description="Create a fleet in the own project",
        operations=(("POST", "/v1/fleets"),),
    ),
    Policy(
        name="iot:fleet:update",
        check="rule:iot_member",
        description="Change a fleet of the own project",
        operations=(("PATCH", "/v1/fleets/{fleet}"),),
    ),
    Policy(
        name="iot:fleet:delete",
        check="rule:iot_member",
        description="Delete a fleet of the own project",
        operations=(("DELETE", "/v1/fleets/{fleet}"),),
    ),
)
