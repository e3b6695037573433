"""Counting refusals without letting anyone fill the memory or the audit."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from iotronic_mec.wamp.refusals import EVERY_S, MAX_LINES, Refusals


class Bench:
    """Refusals with a core that may be away."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.up = True
        self.casts: list[list[dict[str, Any]]] = []
        self.refusals = Refusals(self.clock, self._cast)  # type: ignore[arg-type]

    def _cast(self, lines: list[dict[str, Any]]) -> bool:
        if self.up:
            self.casts.append([dict(line) for line in lines])
        return self.up


def test_many_refusals_of_one_kind_are_one_line() -> None:
    """Cast once, a second later."""
    bench = Bench()
    for _ in range(50):
        bench.refusals.count("a", "wrong_key", "peer")

    bench.clock.advance(EVERY_S)

    assert bench.casts == [[{"authid": "a", "reason": "wrong_key", "count": 50, "peer": "peer"}]]


def test_one_cast_a_second() -> None:
    """What comes between waits for the next."""
    bench = Bench()
    for step in range(30):
        bench.refusals.count(f"a{step}", "wrong_key")
        bench.clock.advance(0.1)

    assert len(bench.casts) <= 3


def test_the_number_of_lines_is_bounded() -> None:
    """The rest shares one line per reason."""
    bench = Bench()
    for number in range(MAX_LINES + 40):
        bench.refusals.count(f"a{number}", "board_unknown", "peer")

    bench.clock.advance(EVERY_S)

    [lines] = bench.casts
    assert len(lines) == MAX_LINES + 1
    assert lines[-1] == {"authid": "*", "reason": "board_unknown", "count": 40, "peer": ""}


def test_nothing_is_lost_while_the_core_is_away() -> None:
    """The lines wait and add up."""
    bench = Bench()
    bench.up = False
    bench.refusals.count("a", "wrong_key")
    bench.clock.advance(EVERY_S)
    bench.refusals.count("a", "wrong_key")
    bench.up = True

    bench.clock.advance(EVERY_S)

    assert [line["count"] for line in bench.casts[0]] == [2]


def test_stopping_tells_the_rest() -> None:
    """No timer is left."""
    bench = Bench()
    bench.refusals.count("a", "wrong_key")

    bench.refusals.stop()

    assert len(bench.casts) == 1
    assert not bench.clock.getDelayedCalls()
