"""Rights on actions of boards; the first name is IoTronic's."""

from __future__ import annotations

from iotronic_mec.feature import Policy

POLICIES = (
    Policy(
        name="iot:board_action:post",
        check="rule:iot_member",
        description="Have a board of the own project, or one that is lent, do an action",
        operations=(("POST", "/v1/boards/{board}/action"),),
    ),
    Policy(
        name="iot:fleet_action:post",
        check="rule:iot_member",
        description="Have all boards of a fleet of the own project do an action",
        operations=(("POST", "/v1/fleets/{fleet}/action"),),
    ),
)
