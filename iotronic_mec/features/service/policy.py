"""Rights on services."""

from __future__ import annotations

from iotronic_mec.feature import Policy

POLICIES = (
    Policy(
        name="iot:service:get",
        check="rule:iot_reader",
        description="List the services of the own project and public ones",
        operations=(
            ("GET", "/v1/services"),
            ("GET", "/v1/services/detail"),
            ("GET", "/v1/services/public"),
        ),
    ),
    Policy(
        name="iot:service:get_one",
        check="rule:iot_reader",
        description="Show a service of the own project, or a public one",
        operations=(("GET", "/v1/services/{service}"),),
    ),
    Policy(
        name="iot:service:get_all",
        check="rule:iot_admin",
        description="List the services of all projects",
        operations=(("GET", "/v1/services"), ("GET", "/v1/services/detail")),
    ),
    Policy(
        name="iot:service:create",
        check="rule:iot_member",
        description="Create a service in the own project",
        operations=(("POST", "/v1/services"),),
    ),
    Policy(
        name="iot:service:update",
        check="rule:iot_member",
        description="Change a service of the own project",
        operations=(("PATCH", "/v1/services/{service}"),),
    ),
    Policy(
        name="iot:service:delete",
        check="rule:iot_member",
        description="Delete a service of the own project; by force one that is exposed",
        operations=(("DELETE", "/v1/services/{service}"),),
    ),
)
