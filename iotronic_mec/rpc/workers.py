"""Threads that run calls: of the idle ones the one that was busy last takes the next.

Its stack is still in the processor's cache, and a quiet process has few threads: a
further one is started only when none is idle.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable

LOG = logging.getLogger(__name__)

Order = Callable[[], object]

_Mailbox = queue.SimpleQueue["Order | None"]


class Workers:
    """The threads; any thread may submit.

    :param most: most threads, > 0; what comes when all are busy waits its turn
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._closed = False
        self._lock = threading.Lock()
        self._idle: list[_Mailbox] = []
        self._waiting: deque[Order] = deque()

    def __len__(self) -> int:
        """How many threads there are."""
        return self._count

    def submit(self, order: Order) -> None:
        """Have a function run; what it raises is logged."""
        with self._lock:
            if self._idle:
                mailbox = self._idle.pop()
            elif self._count < self._most:
                self._count += 1
                mailbox = queue.SimpleQueue()
                # a daemon: a call that hangs must not hold the end of the process
                threading.Thread(
                    target=self._work, args=(mailbox,), name=f"rpc-{self._count}", daemon=True
                ).start()
            else:
                self._waiting.append(order)
                return
        mailbox.put(order)

    def close(self) -> None:
        """Let the threads end; those that are busy after what they run and what waits."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for mailbox in idle:
            mailbox.put(None)

    def _work(self, mailbox: _Mailbox) -> None:
        order = mailbox.get()
        while order is not None:
            try:
                order()
            except Exception:
                LOG.exception("a call failed")
            order = self._next(mailbox)

    def _next(self, mailbox: _Mailbox) -> Order | None:
        """Return what waits or comes next; ``None``: this thread is to end."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            if self._closed:
                return None
            self._idle.append(mailbox)
        return mailbox.get()
