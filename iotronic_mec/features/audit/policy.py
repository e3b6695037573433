"""Rights on the audit."""

from __future__ import annotations

from iotronic_mec.feature import Policy

POLICIES = (
    Policy(
        name="iot:audit:get",
        check="rule:iot_reader",
        description="List what was done in the own project",
        operations=(("GET", "/v1/audit"),),
    ),
    Policy(
        name="iot:audit:get_all",
        check="rule:iot_admin",
        description="List what was done in all projects and in the cloud itself",
        operations=(("GET", "/v1/audit"),),
    ),
    Policy(
        name="iot:audit:head",
        check="rule:iot_reader",
        description="Show the end of the chain, to keep it for a later check",
        operations=(("GET", "/v1/audit/head"),),
    ),
)
