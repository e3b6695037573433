"""Forgetting tokens that have ended."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from iotronic_mec import pruning
from iotronic_mec.feature import Parts, Periodic
from iotronic_mec.features.token import store

LOG = logging.getLogger(__name__)


def forget(parts: Parts, made: Mapping[str, Any]) -> None:
    """Delete tokens that ended more than ``[retention] token_days`` ago."""
    days = parts.settings.token_retention_days
    if days == 0:
        return
    before = parts.clock.now() - timedelta(days=days)
    gone = pruning.run(
        parts.database, lambda connection, limit: store.prune(connection, before, limit)
    )
    if gone:
        LOG.info("forgot %d tokens that had ended", gone)


PERIODICS = (Periodic(name="prune-tokens", every_s=3600.0, run=forget),)
