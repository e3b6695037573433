"""Rights on exposed services."""

from __future__ import annotations

from iotronic_mec.feature import Policy

POLICIES = (
    Policy(
        name="iot:service_on_board:get",
        check="rule:iot_reader",
        description="List what is exposed on a board of the own project, and whether it is open",
        operations=(
            ("GET", "/v1/boards/{board}/services"),
            ("GET", "/v1/boards/{board}/services/detail"),
            ("GET", "/v1/boards/{board}/services/status"),
            ("GET", "/v1/boards/{board}/services/{service}"),
        ),
    ),
    Policy(
        name="iot:service_action:post",
        check="rule:iot_member",
        description="Enable, disable and restore services of a board of the own project",
        operations=(
            ("POST", "/v1/boards/{board}/services/{service}/action"),
            ("GET", "/v1/boards/{board}/services/restore"),
            ("POST", "/v1/boards/{board}/services/restore"),
        ),
    ),
)
