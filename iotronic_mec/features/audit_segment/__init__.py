"""Sealed segments: old rows of the audit in files that prove themselves."""

from __future__ import annotations

from iotronic_mec.feature import Feature, Periodic
from iotronic_mec.features.audit_segment.api import ROUTES
from iotronic_mec.features.audit_segment.commands import AuditSegmentCommands
from iotronic_mec.features.audit_segment.policy import POLICIES

FEATURE = Feature(
    name="audit_segment",
    routes=ROUTES,
    policies=POLICIES,
    commands=AuditSegmentCommands,
    periodics=(
        Periodic(
            name="seal-audit",
            every_s=60.0,
            run=lambda parts, made: made["audit_segment"].run(),
        ),
    ),
)
