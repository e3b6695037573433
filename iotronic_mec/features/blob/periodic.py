"""Collecting blobs that nothing uses, and uploads that were never finished.

Why nothing in use is ever deleted: reservations are expired first, so whatever
is used from then on was stored less than :data:`KEEP_RESERVED` ago, and the
driver deletes only what is older, in one step with looking.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from iotronic_mec.feature import Parts, Periodic
from iotronic_mec.features.blob import store
from iotronic_mec.features.blob.model import KEEP_RESERVED, KEEP_UNUSED

LOG = logging.getLogger(__name__)

COLLECT_EVERY_S = 300.0
"""Time between two looks for unused blobs, seconds."""

SWEEP_EVERY_S = 21_600.0
"""Time between two looks through the whole storage, seconds."""

_BATCH = 500


def collect(parts: Parts, made: Mapping[str, Any]) -> None:
    """Delete blobs that nothing has used for :data:`KEEP_UNUSED`."""
    now = parts.clock.now()
    _expire(parts, now)
    while True:
        digests, more = parts.database.write(
            lambda connection: store.drop_unused(connection, now - KEEP_UNUSED, _BATCH)
        )
        _delete(parts, digests, now)
        if not more:
            return


def sweep(parts: Parts, made: Mapping[str, Any]) -> None:
    """Delete stored bytes no project holds: what a crash left between two steps."""
    now = parts.clock.now()
    _expire(parts, now)
    old = parts.storage.iter_old(now - KEEP_RESERVED)
    while batch := list(islice(old, _BATCH)):
        with parts.database.read() as connection:
            held = store.list_held(connection, batch)
        _delete(parts, [digest for digest in batch if digest not in held], now)
    cleaned = parts.storage.clean(now - KEEP_RESERVED)
    if cleaned:
        LOG.info("removed %s unfinished uploads", cleaned)


def _expire(parts: Parts, now: datetime) -> None:
    expired = parts.database.write(
        lambda connection: store.expire_reservations(connection, now - KEEP_RESERVED)
    )
    if expired:
        LOG.info("gave back the room of %s uploads that did not come", expired)


def _delete(parts: Parts, digests: Iterable[str], now: datetime) -> None:
    for digest in digests:
        if parts.storage.delete(digest, older_than=now - KEEP_RESERVED):
            LOG.info("deleted blob %s, which nothing uses", digest)


PERIODICS = (
    Periodic(name="blob.collect", every_s=COLLECT_EVERY_S, run=collect),
    Periodic(name="blob.sweep", every_s=SWEEP_EVERY_S, run=sweep),
)
