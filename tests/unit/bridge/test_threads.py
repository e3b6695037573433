"""The bridge between threads and a real reactor, which runs in a thread here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.selectreactor import SelectReactor

from iotronic_mec import errors
from iotronic_mec.bridge import threads as threads_module
from iotronic_mec.bridge.threads import Threads

WORKERS = 2
MAX_WAITING = 4


class Rig:
    """A reactor of the test's own in a thread, and the bridge to it."""

    def __init__(self) -> None:
        self.reactor: Any = SelectReactor()
        self.threads = Threads(self.reactor, workers=WORKERS, max_waiting=MAX_WAITING)
        self._thread = threading.Thread(
            target=self.reactor.run, kwargs={"installSignalHandlers": False}
        )
        self._thread.start()

    def end(self) -> None:
        """Stop the bridge and the reactor."""
        if self._thread.is_alive():
            self.reactor.callFromThread(self.threads.stop)
            self.reactor.callFromThread(self.reactor.stop)
            self._thread.join(10)

    def in_reactor(self, function: Callable[[], Any]) -> Any:
        """Run a function in the reactor and return what its Deferred gives."""
        return self.threads.call(function, timeout_s=10.0)


@pytest.fixture
def rig() -> Iterator[Rig]:
    """Return a running reactor with its bridge."""
    made = Rig()
    yield made
    made.end()


def test_values_of_every_kind_come_back(rig: Rig) -> None:
    """A plain value, a Deferred's and a coroutine's result reach the thread."""

    async def coroutine(value: int) -> int:
        return value + 1

    def deferred() -> Deferred[str]:
        later: Deferred[str] = Deferred()
        rig.reactor.callLater(0.01, later.callback, "later")
        return later

    assert rig.threads.call(lambda: 1, timeout_s=5.0) == 1
    assert rig.threads.call(coroutine, 1, timeout_s=5.0) == 2
    assert rig.threads.call(deferred, timeout_s=5.0) == "later"


def test_it_runs_in_the_reactor(rig: Rig) -> None:
    """``call`` runs in the reactor's thread, ``to_thread`` in another one."""
    reactor_thread = rig.threads.call(threading.get_ident, timeout_s=5.0)

    other = rig.in_reactor(lambda: rig.threads.to_thread(threading.get_ident))

    assert reactor_thread != threading.get_ident()
    assert other not in (reactor_thread, threading.get_ident())


def test_errors_come_back_as_they_are(rig: Rig) -> None:
    """What a function raises, at once or later, is raised in the thread."""

    def failing() -> Deferred[None]:
        later: Deferred[None] = Deferred()
        rig.reactor.callLater(0.01, later.errback, errors.BoardLost("gone"))
        return later

    def raising() -> None:
        raise errors.BoardOffline("away")

    with pytest.raises(errors.BoardLost, match="gone"):
        rig.threads.call(failing, timeout_s=5.0)
    with pytest.raises(errors.BoardOffline, match="away"):
        rig.threads.call(raising, timeout_s=5.0)
    with pytest.raises(errors.BoardOffline, match="away"):
        rig.in_reactor(lambda: rig.threads.to_thread(raising))


def test_a_late_answer_is_abandoned_not_cancelled(rig: Rig) -> None:
    """At the limit the thread goes on; the Deferred lives and may still fire."""
    cancelled: list[bool] = []
    later: Deferred[str] = Deferred(lambda _: cancelled.append(True))

    with pytest.raises(errors.DeadlineExceeded):
        rig.threads.call(lambda: later, timeout_s=0.05)
    rig.threads.call(later.callback, "late", timeout_s=5.0)

    assert cancelled == []
    assert later.called


def test_a_stop_fails_who_waits(rig: Rig) -> None:
    """A thread that waits is freed at once by the stop, not by its limit."""
    begun = threading.Event()
    told: list[str] = []

    def wait() -> None:
        try:
            rig.threads.call(lambda: (begun.set(), Deferred())[1], timeout_s=60.0)
        except errors.Unavailable as error:
            told.append(error.code)

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert begun.wait(5)
    since = time.monotonic()
    rig.end()
    waiter.join(10)

    assert told == [errors.Unavailable.code]
    assert time.monotonic() - since < 5.0


def test_a_call_after_the_stop_is_refused(rig: Rig) -> None:
    """Nothing waits for a bridge that was stopped."""
    rig.end()

    with pytest.raises(errors.Unavailable):
        rig.threads.call(lambda: 1, timeout_s=60.0)


def test_a_reactor_that_stopped_alone_holds_nobody(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the bridge's stop the limit and the margin end the wait."""
    monkeypatch.setattr(threads_module, "MARGIN_S", 0.1)
    rig.reactor.callFromThread(rig.reactor.stop)
    rig._thread.join(10)
    since = time.monotonic()

    with pytest.raises(errors.DeadlineExceeded):
        rig.threads.call(lambda: 1, timeout_s=0.1)

    assert time.monotonic() - since < 5.0


def test_a_full_pool_is_busy(rig: Rig) -> None:
    """One function more than the bound is refused; the others end."""
    gate = threading.Event()

    def fill() -> list[Deferred[Any]]:
        return [rig.threads.to_thread(gate.wait, 30) for _ in range(MAX_WAITING)]

    held = rig.threads.call(lambda: [fill()], timeout_s=5.0)[0]
    with pytest.raises(errors.Busy):
        rig.in_reactor(lambda: rig.threads.to_thread(int))
    gate.set()
    results = [rig.in_reactor(lambda one=one: one) for one in held]

    assert results == [True] * MAX_WAITING
    assert rig.in_reactor(lambda: rig.threads.to_thread(int)) == 0


def test_a_full_pool_does_not_starve_calls(rig: Rig) -> None:
    """Threads may call the reactor while every thread of the pool waits."""
    gate = threading.Event()
    held = rig.threads.call(
        lambda: [[rig.threads.to_thread(gate.wait, 30) for _ in range(MAX_WAITING)]], timeout_s=5.0
    )[0]

    assert rig.threads.call(lambda: "free", timeout_s=5.0) == "free"
    gate.set()
    assert [rig.in_reactor(lambda one=one: one) for one in held] == [True] * MAX_WAITING
