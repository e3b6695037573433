"""Work that nobody waits for: a bounded pool of threads that lives as long as its process.

Its threads begin with the first work and are for work that mostly waits for others.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

LOG = logging.getLogger(__name__)

WORKERS = 128
"""Most threads: a hundred boards that say nothing leave room for those that answer."""

MAX_WORK = 1024
"""Most pieces of work under way and waiting; each must end by itself within seconds."""


class Background:
    """The pool; stopped with its process.

    :param workers: most threads, > 0
    :param most: most pieces of work under way and waiting, > 0
    """

    def __init__(self, workers: int = WORKERS, most: int = MAX_WORK) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="background")
        self._most = most
        self._count = 0
        self._stopped = False
        self._changed = threading.Condition()

    def take(self, work: Collection[Callable[[], None]]) -> bool:
        """Take pieces of work, all of them or none; say whether they were taken.

        They are not taken when there is no room, and after :meth:`stop`. What
        was taken is lost when the process ends.
        """
        with self._changed:
            if self._stopped or self._count + len(work) > self._most:
                return False
            self._count += len(work)
            # each in a copy of the caller's context: its log lines say who asked
            futures = [self._pool.submit(copy_context().run, piece) for piece in work]
        for future in futures:
            future.add_done_callback(self._ended)
        return True

    def _ended(self, future: Future[Any]) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            LOG.error("a piece of work failed", exc_info=error)
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def wait(self, limit_s: float) -> bool:
        """Wait until nothing is under way, up to a limit; say whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count == 0, limit_s)

    def stop(self) -> None:
        """Take nothing more and forget what has not begun; does not wait."""
        with self._changed:
            self._stopped = True
        self._pool.shutdown(wait=False, cancel_futures=True)
