"""One session after the other, by an injected clock."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from lightning_agent.session.backoff import TRANSPORT_LOST, Schedule, SessionEnd
from lightning_agent.session.component import Component
from tests.agent.stand_ins import begin

LOST = SessionEnd(reason=TRANSPORT_LOST, message="refused")


class FakeAttempt:
    """An attempt that ends when the test says so."""

    def __init__(self) -> None:
        self.session: Any = None
        self.ended: Deferred[SessionEnd] = Deferred()

    async def run(self, on_join: Callable[[Any], Awaitable[None]]) -> SessionEnd:
        """Wait for the test."""
        return await self.ended

    def drop(self) -> None:
        """End as a lost connection."""
        self.ended.callback(LOST)


class Bench:
    """A component with a clock; the times of its attempts are recorded."""

    def __init__(self, seed: int = 7, window_s: float = 2.0) -> None:
        self.clock = Clock()
        self.times: list[float] = []
        self.attempts: list[FakeAttempt] = []
        self.component = Component(
            self.clock,
            attempt=self._attempt,
            schedule=Schedule(random.Random(seed), window_s),
            on_join=self._joined,
            on_end=lambda end: None,
            board="b",
        )
        self.running = begin(self.component.run())

    def end(self, end: SessionEnd = LOST) -> None:
        """End the present attempt."""
        self.attempts[-1].ended.callback(end)

    def run_until(self, count: int) -> None:
        """Move the clock until so many attempts were made, each failing at once."""
        while len(self.attempts) < count:
            if not self.attempts[-1].ended.called:
                self.end()
            self.clock.advance(0.01)

    def _attempt(self) -> FakeAttempt:
        self.times.append(self.clock.seconds())
        self.attempts.append(FakeAttempt())
        return self.attempts[-1]

    async def _joined(self, session: Any) -> None:
        """Nothing to do."""


def test_schedule_of_attempts_is_the_seeded_one() -> None:
    """The attempts come exactly after the delays that the same seed gives."""
    bench = Bench(seed=7)
    twin = Schedule(random.Random(7), 2.0)

    bench.run_until(8)

    expected = [twin.delay_after(LOST, 0) for _ in range(7)]
    taken = [after - before for before, after in zip(bench.times, bench.times[1:], strict=False)]
    assert taken == pytest.approx(expected, abs=0.03)


def test_first_attempt_is_made_at_once() -> None:
    """A start does not wait."""
    bench = Bench()

    assert bench.times == [0.0]


def test_ready_session_comes_back_within_the_window() -> None:
    """After a lost session that was ready the first retry is in the window."""
    bench = Bench(window_s=0.5)
    bench.run_until(6)
    bench.component.ready()
    bench.clock.advance(20)
    lost_at = bench.clock.seconds()

    bench.end(SessionEnd(reason=TRANSPORT_LOST, joined=True))
    bench.clock.advance(0.5)

    assert len(bench.attempts) == 7
    assert bench.times[-1] - lost_at <= 0.5


def test_second_supersession_is_reported_as_a_clone(caplog: pytest.LogCaptureFixture) -> None:
    """Two boards with one identity are named in the log as an error."""
    bench = Bench()
    superseded = SessionEnd(reason="iotronic.close.superseded", joined=True)
    bench.end(superseded)
    bench.clock.advance(60)

    with caplog.at_level(logging.ERROR):
        bench.end(superseded)

    assert "another device uses this board's identity" in caplog.text


def test_refused_board_goes_on_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    """A refused board says what to do and tries again after ten minutes."""
    bench = Bench()

    bench.end(SessionEnd(reason="iotronic.error.board_unknown", message="deleted"))
    bench.clock.advance(600)

    assert len(bench.attempts) == 2
    assert "enrol with a new code" in caplog.text


def test_wake_ends_the_wait() -> None:
    """A reason to hope ends a long wait."""
    bench = Bench()
    bench.end(SessionEnd(reason="iotronic.error.board_unknown"))

    bench.component.wake()

    assert len(bench.attempts) == 2


def test_stop_during_a_wait_ends_the_run() -> None:
    """A component that waits ends at once."""
    bench = Bench()
    bench.end()

    begin(bench.component.stop())

    assert bench.running.called
    assert not bench.clock.getDelayedCalls()


def test_stop_during_an_attempt_drops_it() -> None:
    """An attempt that has not joined is dropped."""
    bench = Bench()

    begin(bench.component.stop())

    assert bench.running.called
    assert len(bench.attempts) == 1
