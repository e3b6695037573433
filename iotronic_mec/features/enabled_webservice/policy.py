"""Rights on publishing web servers of boards."""

from __future__ import annotations

from iotronic_mec.feature import Policy

POLICIES = (
    Policy(
        name="iot:enabledwebservice:get",
        check="rule:iot_reader",
        description="List the boards of the own project whose web servers may be published",
        operations=(("GET", "/v1/enabledwebservices"), ("GET", "/v1/enabledwebservices/detail")),
    ),
    Policy(
        name="iot:enabledwebservice:create",
        check="rule:iot_member",
        description="Give a board of the own project a name and public ports for its web servers",
        operations=(("POST", "/v1/boards/{board}/webservices/enable"),),
    ),
    Policy(
        name="iot:enabledwebservice:delete",
        check="rule:iot_member",
        description="Give name and ports of a board of the own project back",
        operations=(("DELETE", "/v1/boards/{board}/webservices/disable"),),
    ),
    Policy(
        name="iot:enabledwebservice:renew",
        check="rule:iot_member",
        description="Get a new certificate for a board of the own project",
        operations=(
            ("GET", "/v1/boards/{board}/webservices/renew"),
            ("POST", "/v1/boards/{board}/webservices/renew"),
        ),
    ),
)
