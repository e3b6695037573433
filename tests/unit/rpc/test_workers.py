"""Threads that run calls: how many, who comes first, and how they end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from iotronic_mec.rpc.workers import Workers

LIMIT_S = 5.0


@pytest.fixture
def workers() -> Iterator[Workers]:
    """Give two threads at most."""
    made = Workers(2)
    yield made
    made.close()


def test_one_after_the_other(workers: Workers) -> None:
    """Calls that follow one another need one thread."""
    ran: list[str] = []

    for _ in range(20):
        done = threading.Event()

        def order(done: threading.Event = done) -> None:
            ran.append(threading.current_thread().name)
            done.set()

        workers.submit(order)
        assert done.wait(LIMIT_S)
        until = time.monotonic() + LIMIT_S
        while not workers._idle and time.monotonic() < until:
            time.sleep(0.001)

    assert len(workers) == 1
    assert len(ran) == 20 and len(set(ran)) == 1


def test_more_than_threads(workers: Workers) -> None:
    """What comes when all are busy waits, and runs in its order."""
    gate, ran, done = threading.Event(), [], threading.Semaphore(0)
    for _ in range(2):
        workers.submit(lambda: gate.wait(LIMIT_S))

    for number in range(10):

        def order(number: int = number) -> None:
            ran.append(number)
            done.release()

        workers.submit(order)
    before = list(ran)
    gate.set()

    assert all(done.acquire(timeout=LIMIT_S) for _ in range(10))
    assert before == []
    assert sorted(ran) == list(range(10))
    assert len(workers) == 2


def test_one_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    """A call that raises is logged and leaves its thread fit for the next."""
    workers, done = Workers(1), threading.Event()

    workers.submit(lambda: 1 // 0)
    workers.submit(done.set)

    assert done.wait(LIMIT_S)
    assert "a call failed" in caplog.text
    workers.close()


def test_the_end() -> None:
    """When closed, idle threads end at once and busy ones after what waits."""
    workers = Workers(1)
    gate, done = threading.Event(), threading.Event()
    before = set(threading.enumerate())
    workers.submit(lambda: gate.wait(LIMIT_S))
    workers.submit(done.set)
    (made,) = set(threading.enumerate()) - before

    workers.close()
    gate.set()
    made.join(LIMIT_S)

    assert done.is_set()
    assert not made.is_alive()
