"""Repeated work: each in its rhythm, and failures do not end it."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from iotronic_mec.clock import ManualClock
from iotronic_mec.errors import Unavailable
from iotronic_mec.feature import Parts, Periodic
from iotronic_mec.periodic import PeriodicRunner


class Work:
    """Counts its runs; fails as often as told."""

    def __init__(
        self,
        every_s: float,
        *,
        at_start: bool = False,
        failures: int = 0,
        planted: Exception | None = None,
    ) -> None:
        self.runs = 0
        self.planted = planted or Unavailable("planted")
        self.failures = failures
        self.ran = threading.Event()
        self.periodic = Periodic(name="work", every_s=every_s, run=self._run, at_start=at_start)

    def _run(self, _parts: Any, _commands: Any) -> None:
        self.runs += 1
        self.ran.set()
        if self.runs <= self.failures:
            raise self.planted


def runner(clock: ManualClock, *work: Work) -> PeriodicRunner:
    """Return a runner whose thread is not started."""
    parts = cast(Parts, SimpleNamespace(clock=clock))
    return PeriodicRunner(parts, {}, [each.periodic for each in work])


def test_rhythm() -> None:
    """Work is repeated after its own pause, measured from the end of its last run."""
    clock, quick, slow = ManualClock(), Work(1), Work(3)
    made = runner(clock, quick, slow)

    for _ in range(7):
        made.step()
        clock.advance(1)

    assert (quick.runs, slow.runs) == (7, 3)


def test_failure() -> None:
    """Work that failed is run again in its rhythm, and other work is run."""
    clock, bad, good = ManualClock(), Work(1, failures=1), Work(1)
    made = runner(clock, bad, good)

    made.step()
    clock.advance(1)
    made.step()

    assert (bad.runs, good.runs) == (2, 2)


def test_at_start(tmp_path: Path) -> None:
    """Only work that asks for it is run before anything else."""
    clock, first, later = ManualClock(), Work(60, at_start=True), Work(60)
    made = runner(clock, first, later)

    made.start()

    made.stop()
    assert (first.runs, later.runs) == (1, 0)


def test_nothing_after_stop() -> None:
    """After the end nothing is started any more."""
    clock, work = ManualClock(), Work(1)
    made = runner(clock, work)
    made._stop.set()

    made.step()

    assert work.runs == 0


def test_any_failure_is_survived(caplog: pytest.LogCaptureFixture) -> None:
    """A mistake in one piece of work is logged with its traceback and ends nothing."""
    clock = ManualClock()
    bad, good = Work(1, failures=1, planted=ZeroDivisionError("planted")), Work(1)
    made = runner(clock, bad, good)

    made.step()
    clock.advance(1)
    made.step()

    assert (bad.runs, good.runs) == (2, 2)
    assert "ZeroDivisionError: planted" in caplog.text


def test_back_off() -> None:
    """Work that fails in a row is run ever less often, and counted."""
    clock, bad = ManualClock(), Work(1, failures=99, planted=KeyError("planted"))
    made = runner(clock, bad)

    for _ in range(16):
        made.step()
        clock.advance(1)

    assert bad.runs == 5
    assert made.failures == {"work": 5}


def test_back_off_ends() -> None:
    """After a run that went well the rhythm is the old one."""
    clock, mended = ManualClock(), Work(1, failures=3)
    made = runner(clock, mended)

    for _ in range(10):
        made.step()
        clock.advance(1)

    assert made.failures == {"work": 0}
    assert mended.runs == 6


def test_only_the_leader_works() -> None:
    """Who does not lead leaves the work, and does it once it leads."""
    clock, work, leads = ManualClock(), Work(1), [False]
    parts = cast(Parts, SimpleNamespace(clock=clock))
    made = PeriodicRunner(parts, {}, [work.periodic], lambda: leads[0])
    made.step()
    before = work.runs
    leads[0] = True

    made.step()

    assert (before, work.runs) == (0, 1)
