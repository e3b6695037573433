"""Rights on grants."""

from __future__ import annotations

from iotronic_mec.feature import Policy

POLICIES = (
    Policy(
        name="iot:grant:get",
        check="rule:iot_reader",
        description="List and show the grants one gave, was given or whose things they lend",
        operations=(
            ("GET", "/v1/grants"),
            ("GET", "/v1/grants/detail"),
            ("GET", "/v1/grants/{grant}"),
            ("GET", "/v1/grants/{grant}/explain"),
            ("GET", "/v1/grants/{grant}/uses"),
        ),
    ),
    Policy(
        name="iot:grant:get_all",
        check="rule:iot_admin",
        description="List the grants of all projects",
        operations=(("GET", "/v1/grants"), ("GET", "/v1/grants/detail")),
    ),
    Policy(
        name="iot:grant:create",
        check="rule:iot_member",
        description="Lend operations on what the own project has, or lend a grant on",
        operations=(("POST", "/v1/grants"), ("POST", "/v1/grants/{grant}/grants")),
    ),
    Policy(
        name="iot:grant:revoke",
        check="rule:iot_member",
        description="Revoke a grant the own project gave, or one made from it",
        operations=(("DELETE", "/v1/grants/{grant}"),),
    ),
)
