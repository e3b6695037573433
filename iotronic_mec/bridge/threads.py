"""Threads ⇄ reactor, in one process: two methods, and both have limits.

``call`` is for a thread: it runs something in the reactor and waits for the
result. ``to_thread`` is for the reactor: it runs something that blocks in a
bounded pool and gets a Deferred. A thread may wait for the reactor, the reactor
never waits for a thread.

A wait that reaches its limit is *abandoned*, never cancelled: to cancel a WAMP
call whose board dies closes our own session. Twisted's ready-made blocking call
is not used since it waits for ever once the reactor has stopped.

Usage::

    threads = Threads(reactor)
    answer = threads.call(outbound.call, arguments, 5.0, timeout_s=5.0)   # a thread
    row = await threads.to_thread(conductor.call, …)                      # the reactor
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from twisted.internet.base import DelayedCall, ReactorBase
from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.python.failure import Failure

from iotronic_mec import errors

WORKERS = 16
"""Threads of the pool. Chosen here: reports wait for the conductor some
milliseconds each, and a node's bus carries some hundred calls a second."""

MAX_WAITING = 512
"""Most functions the pool runs or has waiting; one more is ``Busy``."""

MARGIN_S = 1.0
"""How much longer than the reactor's own timer a thread waits, seconds; only a
reactor that has stopped or hangs makes it wait that long."""


class Threads:
    """The bridge of one process.

    :param workers: threads of the pool, > 0
    :param max_waiting: most functions that run or wait there, > 0
    """

    def __init__(
        self, reactor: ReactorBase, *, workers: int = WORKERS, max_waiting: int = MAX_WAITING
    ) -> None:
        self._reactor = reactor
        self._max_waiting = max_waiting
        self._waiting = 0
        self._orders: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waits: set[Future[Any]] = set()
        self._stopped = False
        self._workers = [
            # daemons: a function that still waits for the bus must not hold the end
            threading.Thread(target=self._work, name=f"bridge-{number}", daemon=True)
            for number in range(workers)
        ]
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """Fail every wait at once and end the pool; reactor thread only.

        What the pool runs goes on to its own limit; its result is dropped.
        """
        with self._lock:
            self._stopped = True
            waits, self._waits = self._waits, set()
        for wait in waits:
            _fail(wait, errors.Unavailable("this process is ending; try again later"))
        for _ in self._workers:
            self._orders.put(None)

    def call(self, function: Callable[..., Any], *arguments: Any, timeout_s: float) -> Any:
        """Run a function in the reactor and wait for its result; any other thread.

        The function may return a value, a Deferred or a coroutine. Blocks up to
        ``timeout_s``, and :data:`MARGIN_S` more when the reactor does not run.

        :param timeout_s: seconds, > 0
        :raises errors.DeadlineExceeded: no result in time; it is abandoned
        :raises errors.Unavailable: the process is ending
        """
        wait: Future[Any] = Future()
        with self._lock:
            if self._stopped:
                raise errors.Unavailable("this process is ending; try again later")
            self._waits.add(wait)
        try:
            self._reactor.callFromThread(self._begin, wait, function, arguments, timeout_s)
            return wait.result(timeout_s + MARGIN_S)
        except FutureTimeout as error:
            raise errors.DeadlineExceeded(f"no result within {timeout_s:.1f} s") from error
        finally:
            with self._lock:
                self._waits.discard(wait)

    def to_thread(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        """Run a blocking function in the pool; reactor thread only.

        The function bounds its own time. Fails with
        :class:`~iotronic_mec.errors.Busy` when the pool is full, and with
        :class:`~iotronic_mec.errors.Unavailable` once stopped.
        """
        if self._stopped:
            return fail(errors.Unavailable("this process is ending; try again later"))
        if self._waiting >= self._max_waiting:
            return fail(errors.Busy())
        self._waiting += 1
        answer: Deferred[Any] = Deferred()

        def run() -> None:
            result: Any
            try:
                result = function(*arguments)
            except BaseException:
                # whatever it is, it is raised again in the reactor
                result = Failure()  # type: ignore[no-untyped-call]
            self._reactor.callFromThread(self._finish, answer, result)

        self._orders.put(run)
        return answer

    # -- in the reactor ----------------------------------------------------------------

    def _begin(
        self,
        wait: Future[Any],
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        timeout_s: float,
    ) -> None:
        if wait.done():
            return
        timer = self._reactor.callLater(timeout_s, _expire, wait, timeout_s)
        result: Deferred[Any] = maybeDeferred(function, *arguments)
        result.addCallbacks(
            _deliver, _deliver_failure, callbackArgs=(wait, timer), errbackArgs=(wait, timer)
        )

    def _finish(self, answer: Deferred[Any], result: Any) -> None:
        self._waiting -= 1
        if isinstance(result, Failure):
            answer.errback(result)
        else:
            answer.callback(result)

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            order()


def _expire(wait: Future[Any], timeout_s: float) -> None:
    _fail(wait, errors.DeadlineExceeded(f"no result within {timeout_s:.1f} s"))


def _fail(wait: Future[Any], error: BaseException) -> None:
    if not wait.done():
        wait.set_exception(error)


def _deliver(result: Any, wait: Future[Any], timer: DelayedCall) -> None:
    if timer.active():
        timer.cancel()
    if not wait.done():
        wait.set_result(result)


def _deliver_failure(failure: Failure, wait: Future[Any], timer: DelayedCall) -> None:
    if timer.active():
        timer.cancel()
    reason = failure.value
    _fail(wait, reason if reason is not None else errors.Error())
