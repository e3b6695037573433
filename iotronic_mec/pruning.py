"""Deleting what is too old, piece by piece: others wait for the writer meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from iotronic_mec.feature import Parts, Periodic, Settings

LOG = logging.getLogger(__name__)

BATCH = 1000
"""Most rows deleted in one transaction."""

ROUNDS = 50
"""Most transactions of one run; the next run goes on."""


class Writes(Protocol):
    """The part of the database that is needed; see ``db.session``."""

    def write(self, function: Callable[[Any], int]) -> int:
        """Run a function in a transaction; return what it gives."""


def run(database: Writes, step: Callable[[Any, int], int]) -> int:
    """Delete until there is nothing more, or the run has had its share; return how many.

    :param step: called with a connection and a number of rows; deletes so many at
        most and returns how many it did
    """
    gone = 0
    for _ in range(ROUNDS):
        count = database.write(lambda connection: step(connection, BATCH))
        gone += count
        if count < BATCH:
            break
    return gone


def after_days(
    name: str,
    days_of: Callable[[Settings], int],
    step: Callable[[Any, datetime, int], int],
    what: str,
) -> Periodic:
    """Return the hourly work of deleting what is older than so many days.

    :param days_of: reads the option; 0 keeps all
    :param step: called with a connection, the moment before which is too old, and a
        number of rows; deletes so many at most and returns how many it did
    :param what: rows deleted, as the log calls them
    """

    def forget(parts: Parts, _made: Mapping[str, Any]) -> None:
        days = days_of(parts.settings)
        if days == 0:
            return
        before = parts.clock.now() - timedelta(days=days)
        gone = run(parts.database, lambda connection, limit: step(connection, before, limit))
        if gone:
            LOG.info("forgot %d %s", gone, what)

    return Periodic(name=name, every_s=3600.0, run=forget)
