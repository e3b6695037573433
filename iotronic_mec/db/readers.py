"""Reading connections of a database server, lent to one thread at a time.

A server takes a bounded number of connections (PostgreSQL 100 by default) and a
process has many threads: one connection for each would leave none for the others.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from iotronic_mec.db import server
from iotronic_mec.errors import Busy

MOST = 8
"""Most reading connections of one process. Chosen here: a read takes about a
millisecond, and ten processes leave room on a server with its defaults."""

WAIT_S = 10.0
"""Longest wait for one of them, seconds."""


class Readers:
    """The connections; any thread.

    :param engine: whose connections are in AUTOCOMMIT
    :param most: most connections at a time, > 0
    """

    def __init__(self, engine: Engine, most: int = MOST) -> None:
        self._engine = engine
        self._permits = threading.BoundedSemaphore(most)
        self._free: list[Connection] = []
        self._held = threading.local()

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        """Give a connection for a while; within it the same thread gets the same.

        :raises Busy: all are lent for too long
        """
        held: Connection | None = getattr(self._held, "connection", None)
        if held is not None:
            yield held
            return
        if not self._permits.acquire(timeout=WAIT_S):
            raise Busy("too many reads wait for the database; try again later")
        try:
            connection = self._held.connection = self._take()
            try:
                yield connection
            finally:
                self._held.connection = None
                self._free.append(connection)
        finally:
            self._permits.release()

    def close(self) -> None:
        """Close those that are not lent."""
        while self._free:
            server.discard(self._free.pop())

    def _take(self) -> Connection:
        while self._free:
            try:
                connection = self._free.pop()
            except IndexError:
                break  # another thread was faster
            if server.is_usable(connection):
                return connection
            server.discard(connection)
        return self._engine.connect()
