"""Rights on plugins on boards; the names are IoTronic's."""

from __future__ import annotations

from iotronic_mec.feature import Policy

POLICIES = (
    Policy(
        name="iot:plugin_on_board:get",
        check="rule:iot_reader",
        description="List and show the injections of a board of the own project",
        operations=(
            ("GET", "/v1/boards/{board}/plugins"),
            ("GET", "/v1/boards/{board}/plugins/{plugin}"),
        ),
    ),
    Policy(
        name="iot:plugin_inject:put",
        check="rule:iot_member",
        description="Inject a plugin on a board of the own project",
        operations=(("PUT", "/v1/boards/{board}/plugins"),),
    ),
    Policy(
        name="iot:plugin_action:post",
        check="rule:iot_member",
        description="Call, start or stop a plugin on a board of the own project, read its logs",
        operations=(
            ("POST", "/v1/boards/{board}/plugins/{plugin}"),
            ("GET", "/v1/boards/{board}/plugins/{plugin}/logs"),
            ("GET", "/v1/boards/{board}/plugins/{plugin}/logs/events"),
        ),
    ),
    Policy(
        name="iot:plugin_remove:delete",
        check="rule:iot_member",
        description="Remove a plugin from a board of the own project",
        operations=(("DELETE", "/v1/boards/{board}/plugins/{plugin}"),),
    ),
)
