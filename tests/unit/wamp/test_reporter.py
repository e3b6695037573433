"""Batches of presence on a clock that stands still."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from iotronic_mec import errors
from iotronic_mec.wamp.presence import Change
from iotronic_mec.wamp.reporter import LONGEST_S, MAX_BATCH, Reporter


class Bench:
    """A reporter, and what the core is sent."""

    def __init__(self, boards: int = 1) -> None:
        self.clock = Clock()
        self.up = True
        self.sent: list[list[dict[str, Any]]] = []
        self.reporter = Reporter(self.clock, self._send, lambda: boards)  # type: ignore[arg-type]

    def _send(self, changes: list[dict[str, Any]]) -> Deferred[Any]:
        if not self.up:
            return fail(errors.Unavailable())
        self.sent.append(changes)
        return succeed(None)

    def report(self, board: str, online: bool = True) -> None:
        """Report one change."""
        self.reporter.report(Change(board=board, online=online, session=1, at="t"))


def test_a_change_is_sent_at_once_when_idle() -> None:
    """No second is waited for."""
    bench = Bench()

    bench.report("a")
    bench.clock.advance(0)

    assert [change["board"] for change in bench.sent[0]] == ["a"]


def test_what_follows_goes_together_a_second_later() -> None:
    """One RPC a second."""
    bench = Bench()
    bench.report("a")
    bench.clock.advance(0)

    for board in "bcd":
        bench.report(board)
    bench.clock.advance(LONGEST_S)

    assert [[change["board"] for change in batch] for batch in bench.sent] == [
        ["a"],
        ["b", "c", "d"],
    ]


def test_only_the_last_change_of_a_board_is_sent() -> None:
    """It went and came: it is there."""
    bench = Bench()
    bench.report("a", True)
    bench.report("a", False)
    bench.report("a", True)

    bench.clock.advance(0)

    assert [(change["board"], change["online"]) for change in bench.sent[0]] == [("a", True)]


def test_what_was_not_taken_is_sent_again() -> None:
    """Unless something newer is known."""
    bench = Bench()
    bench.up = False
    bench.report("a", True)
    bench.report("b", True)
    bench.clock.advance(0)
    bench.report("a", False)
    bench.up = True

    bench.clock.advance(LONGEST_S)

    assert {change["board"]: change["online"] for change in bench.sent[0]} == {
        "a": False,
        "b": True,
    }


def test_a_storm_is_cut_into_batches() -> None:
    """And goes faster where more boards are online."""
    bench = Bench(boards=1000)
    for number in range(MAX_BATCH + 1):
        bench.report(f"b{number}")

    bench.clock.advance(0)
    bench.clock.advance(LONGEST_S / 10)

    assert [len(batch) for batch in bench.sent] == [MAX_BATCH, 1]


def test_stopping_leaves_no_timer() -> None:
    """Nothing is sent any more."""
    bench = Bench()
    bench.report("a")

    bench.reporter.stop()

    assert not bench.clock.getDelayedCalls()
