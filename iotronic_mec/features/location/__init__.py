"""Locations: where boards have been. They are written with the board."""

from __future__ import annotations

from iotronic_mec.feature import Feature
from iotronic_mec.features.location.api import ROUTES
from iotronic_mec.features.location.periodic import PERIODICS
from iotronic_mec.features.location.policy import POLICIES

FEATURE = Feature(name="location", routes=ROUTES, policies=POLICIES, periodics=PERIODICS)
