"""Forgetting where boards have been long ago."""

from __future__ import annotations

from iotronic_mec import pruning
from iotronic_mec.features.location import store

PERIODICS = (
    pruning.after_days(
        "prune-locations",
        lambda settings: settings.location_retention_days,
        store.prune,
        "places where boards had been",
    ),
)
"""By ``[retention] location_days``."""
