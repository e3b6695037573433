"""The audit: one hash-chained row for every change, from the first on."""

from __future__ import annotations

from iotronic_mec.feature import Feature, Periodic
from iotronic_mec.features.audit.api import ROUTES
from iotronic_mec.features.audit.commands import AuditCommands
from iotronic_mec.features.audit.policy import POLICIES

FEATURE = Feature(
    name="audit",
    routes=ROUTES,
    policies=POLICIES,
    commands=AuditCommands,
    periodics=(
        Periodic(
            name="publish-audit-head",
            every_s=5.0,
            run=lambda parts, made: made["audit"].publish_head(),
        ),
    ),
)
