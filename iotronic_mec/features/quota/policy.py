"""Rights on quotas."""

from __future__ import annotations

from iotronic_mec.feature import Policy

POLICIES = (
    Policy(
        name="iot:quota:get",
        check="rule:iot_reader",
        description="See the own project's limits and what is used",
        operations=(("GET", "/v1/quotas"),),
    ),
    Policy(
        name="iot:quota:get_one",
        check="rule:iot_admin",
        description="See another project's limits and what is used",
        operations=(("GET", "/v1/quotas/{project}"),),
    ),
    Policy(
        name="iot:quota:update",
        check="rule:iot_admin",
        description="Give a project limits of its own",
        operations=(("PUT", "/v1/quotas/{project}"),),
    ),
    Policy(
        name="iot:quota:delete",
        check="rule:iot_admin",
        description="Give a project the default limits again",
        operations=(("DELETE", "/v1/quotas/{project}"),),
    ),
)
