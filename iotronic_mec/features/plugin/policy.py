"""Rights on plugins.

That a plugin is the own project's, or public where that counts, is seen to by
the store and the commands; no rule can widen it but an administrator's.
"""

from __future__ import annotations

from iotronic_mec.feature import Policy

POLICIES = (
    Policy(
        name="iot:plugin:get",
        check="rule:iot_reader",
        description="List the plugins of the own project, and the public ones",
        operations=(
            ("GET", "/v1/plugins"),
            ("GET", "/v1/plugins/detail"),
            ("GET", "/v1/plugins/public"),
        ),
    ),
    Policy(
        name="iot:plugin:get_all",
        check="rule:iot_admin",
        description="List the plugins of all projects",
        operations=(("GET", "/v1/plugins"), ("GET", "/v1/plugins/detail")),
    ),
    Policy(
        name="iot:plugin:get_one",
        check="rule:iot_reader",
        description="Show and download a plugin of the own project, or a public one",
        operations=(
            ("GET", "/v1/plugins/{plugin}"),
            ("GET", "/v1/plugins/{plugin}/bundle"),
        ),
    ),
    Policy(
        name="iot:plugin:create",
        check="rule:iot_member",
        description="Create a plugin in the own project",
        operations=(("POST", "/v1/plugins"),),
    ),
    Policy(
        name="iot:plugin:update",
        check="rule:iot_member",
        description="Change a plugin of the own project",
        operations=(("PATCH", "/v1/plugins/{plugin}"),),
    ),
    Policy(
        name="iot:plugin:delete",
        check="rule:iot_member",
        description="Delete a plugin of the own project",
        operations=(("DELETE", "/v1/plugins/{plugin}"),),
    ),
)
