"""Rights on projects."""

from __future__ import annotations

from iotronic_mec.feature import Policy

POLICIES = (
    Policy(
        name="iot:project:get",
        check="rule:iot_admin",
        description="List and show projects",
        operations=(("GET", "/v1/projects"), ("GET", "/v1/projects/{project}")),
    ),
    Policy(
        name="iot:project:create",
        check="rule:iot_admin",
        description="Create a project",
        operations=(("POST", "/v1/projects"),),
    ),
    Policy(
        name="iot:project:update",
        check="rule:iot_admin",
        description="Change a project",
        operations=(("PATCH", "/v1/projects/{project}"),),
    ),
    Policy(
        name="iot:project:delete",
        check="rule:iot_admin",
        description="Delete a project that owns nothing and has no users",
        operations=(("DELETE", "/v1/projects/{project}"),),
    ),
)
