"""The audit: one hash-chained row for every change, from the first on."""

from __future__ import annotations

from iotronic_mec.feature import Feature
from iotronic_mec.features.audit.api import ROUTES
from iotronic_mec.features.audit.policy import POLICIES

FEATURE = Feature(name="audit", routes=ROUTES, policies=POLICIES)
