"""The one thread that writes to disk, so that the reactor never waits for it.

A card may take a tenth of a second for one sync. All writes of the agent go
through one :class:`Disk`, one after the other in the order they were asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

Result = TypeVar("Result")


class Disk(Protocol):
    """Runs functions that touch the disk, one at a time, in order."""

    async def run(self, function: Callable[[], Result]) -> Result:
        """Run the function and return its result; reactor thread only."""

    def stop(self) -> None:
        """Finish what is queued and end; blocks until then."""


class ThreadDisk:
    """The real one: a single thread of its own."""

    def __init__(self, reactor: IReactorFromThreads) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(minthreads=0, maxthreads=1, name="disk")
        self._pool.start()

    async def run(self, function: Callable[[], Result]) -> Result:
        """Run the function in the thread; the order of calls is kept."""
        result: Result = await deferToThreadPool(self._reactor, self._pool, function)
        return result

    def stop(self) -> None:
        """Finish what is queued and end the thread; blocks until then."""
        self._pool.stop()


class DirectDisk:
    """For tests and commands without a reactor to protect: runs at once."""

    async def run(self, function: Callable[[], Result]) -> Result:
        """Run the function here and now."""
        return function()

    def stop(self) -> None:
        """Nothing is queued."""
