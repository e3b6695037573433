"""Forgetting the single uses of grants; their number, and the audit, stay."""

from __future__ import annotations

from iotronic_mec import pruning
from iotronic_mec.feature import Settings
from iotronic_mec.features.grant import store

LEAST_DAYS = 7
"""A use is looked at again when its order is sent: no order waits for so long."""


def _days(settings: Settings) -> int:
    days = settings.grant_use_retention_days
    return max(days, LEAST_DAYS) if days else 0


PERIODICS = (pruning.after_days("prune-grant-uses", _days, store.prune_uses, "uses of grants"),)
"""By ``[retention] grant_use_days``."""
