"""Rights on users."""

from __future__ import annotations

from iotronic_mec.feature import Policy

POLICIES = (
    Policy(
        name="iot:identity:whoami",
        check="rule:iot_reader",
        description="Ask who one is, in which project and roles",
        operations=(("GET", "/v1/whoami"),),
    ),
    Policy(
        name="iot:user:get",
        check="rule:iot_admin",
        description="List and show users",
        operations=(("GET", "/v1/users"), ("GET", "/v1/users/{user}")),
    ),
    Policy(
        name="iot:user:create",
        check="rule:iot_admin",
        description="Create a user",
        operations=(("POST", "/v1/users"),),
    ),
    Policy(
        name="iot:user:update_own",
        check="rule:iot_reader",
        description="Change the own password, with the old one",
        operations=(("PATCH", "/v1/users/{user}"),),
    ),
    Policy(
        name="iot:user:update",
        check="rule:iot_admin",
        description="Change any user",
        operations=(("PATCH", "/v1/users/{user}"),),
    ),
    Policy(
        name="iot:user:delete",
        check="rule:iot_admin",
        description="Delete a user",
        operations=(("DELETE", "/v1/users/{user}"),),
    ),
)
