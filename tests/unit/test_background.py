"""The pool of threads for work nobody waits for."""

from __future__ import annotations

import threading

import pytest

from iotronic_mec.background import Background
from lightning_agent.protocol.log_lines import Asking, asked_by, asking


def test_it_takes_all_or_nothing_and_ends() -> None:
    """What has no room is refused whole; after the stop nothing begins and no thread stays."""
    pool, release, done = Background(1, 3), threading.Event(), []

    def work() -> None:
        release.wait(10)
        done.append(threading.current_thread())

    taken = [pool.take([work, work]), pool.take([work, work]), pool.take([work])]
    free = pool.wait(0)
    release.set()
    ended = pool.wait(10)
    again = pool.take([work])
    assert pool.wait(10)
    pool.stop()
    after = pool.take([work])
    done[0].join(10)

    assert (taken, free, ended) == ([True, False, True], False, True)
    assert (again, after, len(done), done[0].is_alive()) == (True, False, 4, False)


def test_what_fails_makes_room(caplog: pytest.LogCaptureFixture) -> None:
    """A piece of work that raises ends like any other, and is logged."""
    pool, done = Background(1, 1), []

    def fail() -> None:
        done.append(threading.current_thread())
        raise ValueError("broken")

    assert pool.take([fail])
    assert pool.wait(10)
    assert "ValueError: broken" in caplog.text
    assert pool.take([fail])
    pool.stop()
    # it ends by itself, a moment later
    done[0].join(10)
    assert not done[0].is_alive()


def test_work_is_done_in_the_name_of_who_asked() -> None:
    """Log lines of the work say who gave it; the next work has its own."""
    pool, found = Background(1, 3), []

    for name in ("req-1", "req-2", ""):
        with asked_by(Asking(name)):
            assert pool.take([lambda: found.append(asking().request_id)])
    assert pool.wait(10)
    threads = [each for each in threading.enumerate() if each.name.startswith("background")]
    pool.stop()
    for thread in threads:
        thread.join(10)

    assert found == ["req-1", "req-2", ""]
