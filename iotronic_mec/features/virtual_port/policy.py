"""Rights on virtual ports."""

from __future__ import annotations

from iotronic_mec.feature import Policy

POLICIES = (
    Policy(
        name="iot:port_on_board:get",
        check="rule:iot_reader",
        description="List and show the ports of boards of the own project",
        operations=(
            ("GET", "/v1/ports"),
            ("GET", "/v1/ports/detail"),
            ("GET", "/v1/ports/{port}"),
            ("GET", "/v1/boards/{board}/ports"),
            ("GET", "/v1/boards/{board}/ports/detail"),
            ("GET", "/v1/boards/{board}/ports/{port}"),
        ),
    ),
    Policy(
        name="iot:port_on_board:get_all",
        check="rule:iot_admin",
        description="List the ports of all projects",
        operations=(("GET", "/v1/ports"), ("GET", "/v1/ports/detail")),
    ),
    Policy(
        name="iot:port_on_board:create",
        check="rule:iot_member",
        description="Attach a board of the own project to a network",
        operations=(("PUT", "/v1/boards/{board}/ports"),),
    ),
    Policy(
        name="iot:port_on_board:delete",
        check="rule:iot_member",
        description="Take a board of the own project off a network",
        operations=(
            ("DELETE", "/v1/ports/{port}"),
            ("DELETE", "/v1/boards/{board}/ports/{port}"),
        ),
    ),
)
