"""Forgetting where boards have been long ago."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from iotronic_mec import pruning
from iotronic_mec.feature import Parts, Periodic
from iotronic_mec.features.location import store

LOG = logging.getLogger(__name__)


def forget(parts: Parts, made: Mapping[str, Any]) -> None:
    """Delete places that are older than ``[retention] location_days``."""
    days = parts.settings.location_retention_days
    if days == 0:
        return
    before = parts.clock.now() - timedelta(days=days)
    gone = pruning.run(
        parts.database, lambda connection, limit: store.prune(connection, before, limit)
    )
    if gone:
        LOG.info("forgot %d places where boards had been", gone)


PERIODICS = (Periodic(name="prune-locations", every_s=3600.0, run=forget),)
