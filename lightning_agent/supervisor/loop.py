"""The supervisor's only loop: descriptors, timers, and one worker thread for slow disk work.

Everything runs on the thread that calls :meth:`Loop.run`, which must be the main one: sandboxes
die with the thread that started them.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import selectors
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from lightning_agent.clock import Clock
from lightning_agent.errors import Busy

LOG = logging.getLogger(__name__)

Result = TypeVar("Result")

MAX_WAIT_S = 60.0
"""Seconds after which the loop looks around although nothing happened."""

MAX_QUEUED = 64
"""Pieces of work that may wait for the worker thread."""

_COMPACT_AT = 256


class Timer:
    """A callback that is due at a monotonic time."""

    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self.due = due
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Forget the callback; harmless when it has been called."""
        self.callback = None


class Loop:
    """Calls back on readiness and time; not thread-safe but for :meth:`from_thread`."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._compact_at = _COMPACT_AT
        self._counter = itertools.count()
        self._calls: list[Callable[[], None]] = []
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="disk")
        self._queued = 0
        self._running = False
        self._wake_out, self._wake_in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.watch(self._wake_out, self._woken)

    def watch(
        self,
        descriptor: int,
        on_readable: Callable[[], object] | None,
        on_writable: Callable[[], object] | None = None,
    ) -> None:
        """Call back whenever ``descriptor`` is ready; replaces an earlier watch."""
        events = (selectors.EVENT_READ if on_readable else 0) | (
            selectors.EVENT_WRITE if on_writable else 0
        )
        self.unwatch(descriptor)
        if events:
            self._selector.register(descriptor, events, (on_readable, on_writable))

    def unwatch(self, descriptor: int) -> None:
        """Stop watching; harmless when it is not watched."""
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)

    def later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call back once after ``delay_s`` seconds."""
        if len(self._timers) >= self._compact_at:
            self._compact()
        timer = Timer(self._clock.monotonic() + delay_s, callback)
        heapq.heappush(self._timers, (timer.due, next(self._counter), timer))
        return timer

    def from_thread(self, callback: Callable[[], None]) -> None:
        """Call back soon on the loop's thread; any thread, and signal handlers."""
        self._calls.append(callback)
        try:
            os.write(self._wake_in, b"!")
        except OSError:
            return  # the pipe is full, so the loop wakes anyway; or it is closed

    def in_thread(
        self, work: Callable[[], Result], done: Callable[[Future[Result]], None]
    ) -> None:
        """Run ``work`` on the worker thread, then ``done`` on the loop's thread.

        :raises Busy: more than :data:`MAX_QUEUED` pieces are waiting
        """
        if self._queued >= MAX_QUEUED:
            raise Busy("too many installations are waiting")
        self._queued += 1

        def finish(future: Future[Result]) -> None:
            self._queued -= 1
            done(future)

        future = self._worker.submit(work)
        future.add_done_callback(lambda ended: self.from_thread(lambda: finish(ended)))

    def run(self) -> None:
        """Call back until :meth:`stop`."""
        self._running = True
        while self._running:
            for key, events in self._selector.select(self._wait_s()):
                on_readable, on_writable = key.data
                # An earlier callback of this round may have closed it, or watched it anew.
                if events & selectors.EVENT_READ and on_readable and self._is_current(key):
                    self._guard(on_readable)
                if events & selectors.EVENT_WRITE and on_writable and self._is_current(key):
                    self._guard(on_writable)
            self._run_due()

    def stop(self) -> None:
        """Return from :meth:`run` after the callbacks at hand."""
        self._running = False

    def close(self) -> None:
        """Let descriptors and the worker thread go; what still waits for it is dropped."""
        self._worker.shutdown(wait=False, cancel_futures=True)
        self._selector.close()
        os.close(self._wake_out)
        os.close(self._wake_in)

    def _compact(self) -> None:
        """Drop cancelled timers: most deadlines are cancelled long before they are due."""
        self._timers = [entry for entry in self._timers if entry[2].callback is not None]
        heapq.heapify(self._timers)
        self._compact_at = max(_COMPACT_AT, 2 * len(self._timers))

    def _is_current(self, key: selectors.SelectorKey) -> bool:
        return self._selector.get_map().get(key.fd) is key

    def _wait_s(self) -> float:
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        if not self._timers:
            return MAX_WAIT_S
        return min(MAX_WAIT_S, max(0.0, self._timers[0][0] - self._clock.monotonic()))

    def _run_due(self) -> None:
        now = self._clock.monotonic()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if timer.callback is not None:
                callback, timer.callback = timer.callback, None
                self._guard(callback)

    def _woken(self) -> None:
        try:
            os.read(self._wake_out, 4096)
        except BlockingIOError:
            pass
        calls, self._calls = self._calls, []
        for callback in calls:
            self._guard(callback)

    def _guard(self, callback: Callable[[], object]) -> None:
        """Call back; the outer rim: a mistake in one callback must not end all sandboxes."""
        try:
            callback()
        except Exception:
            LOG.exception("a callback of the loop failed")
