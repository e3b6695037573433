"""Forgetting tokens that have ended."""

from __future__ import annotations

from iotronic_mec import pruning
from iotronic_mec.features.token import store

PERIODICS = (
    pruning.after_days(
        "prune-tokens",
        lambda settings: settings.token_retention_days,
        store.prune,
        "tokens that had ended",
    ),
)
"""By ``[retention] token_days``."""
