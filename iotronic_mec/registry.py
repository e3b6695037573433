"""All features, in the order of who may import whom: earlier ones only.

Nothing is found by scanning; adding a feature is adding a line here.
"""

from __future__ import annotations

from iotronic_mec.feature import Feature
from iotronic_mec.features import (
    audit,
    audit_segment,
    blob,
    board,
    device_action,
    enabled_webservice,
    enrolment_code,
    exposed_service,
    fleet,
    fleet_plugin,
    grant,
    holding,
    idempotency,
    identity,
    injection,
    lease,
    location,
    plugin,
    project,
    quota,
    request,
    service,
    token,
    virtual_port,
    webservice,
)

FEATURES: tuple[Feature, ...] = (
    project.FEATURE,
    identity.FEATURE,
    token.FEATURE,
    quota.FEATURE,
    audit.FEATURE,
    grant.FEATURE,
    idempotency.FEATURE,
    blob.FEATURE,
    audit_segment.FEATURE,
    enrolment_code.FEATURE,
    request.FEATURE,
    fleet.FEATURE,
    board.FEATURE,
    location.FEATURE,
    holding.FEATURE,
    plugin.FEATURE,
    lease.FEATURE,
    injection.FEATURE,
    device_action.FEATURE,
    fleet_plugin.FEATURE,
    service.FEATURE,
    exposed_service.FEATURE,
    enabled_webservice.FEATURE,
    webservice.FEATURE,
    virtual_port.FEATURE,
)
