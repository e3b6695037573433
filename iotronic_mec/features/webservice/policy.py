"""Rights on web services."""

from __future__ import annotations

from iotronic_mec.feature import Policy

POLICIES = (
    Policy(
        name="iot:webservice:get",
        check="rule:iot_reader",
        description="List the web services of the own project, or of one of its boards",
        operations=(
            ("GET", "/v1/webservices"),
            ("GET", "/v1/webservices/detail"),
            ("GET", "/v1/boards/{board}/webservices"),
            ("GET", "/v1/boards/{board}/webservices/detail"),
            ("GET", "/v1/boards/{board}/webservicesdetail"),
        ),
    ),
    Policy(
        name="iot:webservice:get_one",
        check="rule:iot_reader",
        description="Show a web service of the own project",
        operations=(("GET", "/v1/webservices/{webservice}"),),
    ),
    Policy(
        name="iot:webservice:create",
        check="rule:iot_member",
        description="Publish a web server of a board of the own project",
        operations=(("PUT", "/v1/boards/{board}/webservices"),),
    ),
    Policy(
        name="iot:webservice:delete",
        check="rule:iot_member",
        description="Withdraw a web service of the own project",
        operations=(("DELETE", "/v1/webservices/{webservice}"),),
    ),
)
