"""Deleting what is too old, piece by piece: others wait for the writer meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

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
