"""Rights on tokens."""

from __future__ import annotations

from iotronic_mec.feature import Policy

POLICIES = (
    Policy(
        name="iot:token:get",
        check="rule:iot_reader",
        description="List and show the own tokens",
        operations=(("GET", "/v1/tokens"), ("GET", "/v1/tokens/{token}")),
    ),
    Policy(
        name="iot:token:get_all",
        check="rule:iot_admin",
        description="List and show everyone's tokens",
        operations=(("GET", "/v1/tokens"), ("GET", "/v1/tokens/{token}")),
    ),
    Policy(
        name="iot:token:create",
        check="rule:iot_reader",
        description="Create a token for oneself",
        operations=(("POST", "/v1/tokens"),),
    ),
    Policy(
        name="iot:token:delete",
        check="rule:iot_reader",
        description="Revoke an own token",
        operations=(("DELETE", "/v1/tokens/{token}"),),
    ),
    Policy(
        name="iot:token:delete_all",
        check="rule:iot_admin",
        description="Revoke anyone's token",
        operations=(("DELETE", "/v1/tokens/{token}"),),
    ),
)
