"""Rights on requests and their results."""

from __future__ import annotations

from iotronic_mec.feature import Policy

POLICIES = (
    Policy(
        name="iot:request:get",
        check="rule:iot_reader",
        description="List the requests of the own project",
        operations=(("GET", "/v1/requests"), ("GET", "/v1/requests/detail")),
    ),
    Policy(
        name="iot:request:get_one",
        check="rule:iot_reader",
        description="Show a request of the own project",
        operations=(("GET", "/v1/requests/{request}"),),
    ),
    Policy(
        name="iot:request:cancel",
        check="rule:iot_member",
        description="Cancel a request of the own project that has not been sent",
        operations=(("DELETE", "/v1/requests/{request}"),),
    ),
    Policy(
        name="iot:result:get",
        check="rule:iot_reader",
        description="List the results of a request of the own project",
        operations=(("GET", "/v1/requests/{request}/results"),),
    ),
)
