"""Rights on where boards have been."""

from __future__ import annotations

from iotronic_mec.feature import Policy

POLICIES = (
    Policy(
        name="iot:location:get",
        check="rule:iot_reader",
        description="List where a board of the own project has been",
        operations=(("GET", "/v1/boards/{board}/locations"),),
    ),
)
