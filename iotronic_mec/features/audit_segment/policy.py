"""Rights on sealed segments, which hold all projects' rows."""

from __future__ import annotations

from iotronic_mec.feature import Policy

POLICIES = (
    Policy(
        name="iot:audit_segment:get",
        check="rule:iot_admin",
        description="List the sealed segments of the audit",
        operations=(("GET", "/v1/audit/segments"), ("GET", "/v1/audit/segments/{segment}")),
    ),
    Policy(
        name="iot:audit_segment:download",
        check="rule:iot_admin",
        description="Download a sealed segment, with the rows of all projects",
        operations=(("GET", "/v1/audit/segments/{segment}/file"),),
    ),
)
