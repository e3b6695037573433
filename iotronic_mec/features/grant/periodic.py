"""Forgetting the single uses of grants; their number, and the audit, stay."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from iotronic_mec import pruning
from iotronic_mec.feature import Parts, Periodic
from iotronic_mec.features.grant import store

LOG = logging.getLogger(__name__)

LEAST_DAYS = 7
"""A use is looked at again when its order is sent: no order waits for so long."""


def forget(parts: Parts, made: Mapping[str, Any]) -> None:
    """Delete uses that are older than ``[retention] grant_use_days``."""
    days = parts.settings.grant_use_retention_days
    if days == 0:
        return
    before = parts.clock.now() - timedelta(days=max(days, LEAST_DAYS))
    gone = pruning.run(
        parts.database, lambda connection, limit: store.prune_uses(connection, before, limit)
    )
    if gone:
        LOG.info("forgot %d uses of grants", gone)


PERIODICS = (Periodic(name="prune-grant-uses", every_s=3600.0, run=forget),)
