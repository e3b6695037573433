"""Rights on boards."""

from __future__ import annotations

from iotronic_mec.feature import Policy

POLICIES = (
    Policy(
        name="iot:board:get",
        check="rule:iot_reader",
        description="List and show the boards of the own project",
        operations=(
            ("GET", "/v1/boards"),
            ("GET", "/v1/boards/detail"),
            ("GET", "/v1/boards/{board}"),
            ("GET", "/v1/fleets/{fleet}/boards"),
            ("GET", "/v1/fleets/{fleet}/boards/detail"),
        ),
    ),
    Policy(
        name="iot:board:get_all",
        check="rule:iot_admin",
        description="List the boards of another project, or of all",
        operations=(
            ("GET", "/v1/boards"),
            ("GET", "/v1/boards/detail"),
            ("GET", "/v1/fleets/{fleet}/boards"),
            ("GET", "/v1/fleets/{fleet}/boards/detail"),
        ),
    ),
    Policy(
        name="iot:board:create",
        check="rule:iot_manager",
        description="Register a board in the own project",
        operations=(("POST", "/v1/boards"),),
    ),
    Policy(
        name="iot:board:update",
        check="rule:iot_member",
        description="Change a board of the own project",
        operations=(("PATCH", "/v1/boards/{board}"),),
    ),
    Policy(
        name="iot:board:delete",
        check="rule:iot_manager",
        description="Delete a board of the own project",
        operations=(("DELETE", "/v1/boards/{board}"),),
    ),
    Policy(
        name="iot:board:enrolment_code",
        check="rule:iot_manager",
        description="Give a board of the own project a new enrolment code",
        operations=(("POST", "/v1/boards/{board}/enrolment-code"),),
    ),
    Policy(
        name="iot:board:ping",
        check="rule:iot_member",
        description="Send a text to a board of the own project and back, unrecorded",
        operations=(
            ("GET", "/healthcheck/boards/{board}"),
            ("POST", "/healthcheck/boards/{board}"),
        ),
    ),
    Policy(
        name="iot:board:explain",
        check="rule:iot_reader",
        description="Ask why a board of the own project is not online or not converged",
        operations=(("GET", "/v1/boards/{board}/explain"),),
    ),
)
