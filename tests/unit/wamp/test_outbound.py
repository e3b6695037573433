"""Calls to boards over a session made of Deferreds."""

from __future__ import annotations

from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError, TransportLost
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from iotronic_mec import errors
from iotronic_mec.wamp.outbound import Outbound, translate

BOARD = "0d07340a-7862-4681-adc6-d4acaf9a0554"
ORDER = {"board": BOARD, "procedure": "device.ping", "message": {"x": 1}, "timeout_s": 2.5}


class FakeSession:
    """Keeps calls open until the test answers them."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, Any]] = []
        self.answer: Deferred[Any] = Deferred()

    def call(self, uri: str, message: Any, options: Any) -> Deferred[Any]:
        """Take a call."""
        self.calls.append((uri, message, options))
        return self.answer


class Bench:
    """Outbound with a session."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.session = FakeSession()
        self.outbound = Outbound(self.clock)  # type: ignore[arg-type]
        self.outbound.attach(self.session)

    def call(self, remaining_s: float = 60.0, **changes: Any) -> list[Any]:
        """Call a board; the list holds the end once it is there."""
        got: list[Any] = []
        work = self.outbound.call({**ORDER, **changes}, remaining_s)
        Deferred.fromCoroutine(work).addCallbacks(got.append, lambda f: got.append(f.value))
        return got


@pytest.fixture
def bench() -> Bench:
    """Give outbound with a session."""
    return Bench()


def test_the_router_forgets_after_we_do(bench: Bench) -> None:
    """Whole seconds, one more, since it fires up to a second early."""
    got = bench.call()
    [(uri, message, options)] = bench.session.calls

    bench.session.answer.callback({"pong": 1})

    assert got == [{"pong": 1}]
    assert (uri, message) == (f"iotronic.board.{BOARD}.device.ping", {"x": 1})
    assert options.timeout == 4
    assert not bench.clock.getDelayedCalls()


def test_the_wait_is_abandoned_and_never_cancelled(bench: Bench) -> None:
    """Cancelling would cost the session when the board dies later."""
    cancelled: list[bool] = []
    bench.session.answer = Deferred(lambda _: cancelled.append(True))
    got = bench.call()

    bench.clock.advance(2.6)
    bench.session.answer.callback({"late": True})

    assert [type(end) for end in got] == [errors.BoardTimeout]
    assert cancelled == []


def test_the_callers_remaining_time_is_the_bound(bench: Bench) -> None:
    """An inner hop never outlives its caller."""
    got = bench.call(remaining_s=0.5)

    bench.clock.advance(0.6)

    assert isinstance(got[0], errors.BoardTimeout)


def test_without_a_session_calls_fail_at_once(bench: Bench) -> None:
    """Nothing is queued for the router."""
    bench.outbound.attach(None)

    assert isinstance(bench.call()[0], errors.RouterUnavailable)


@pytest.mark.parametrize(
    "changes",
    [{"board": "x"}, {"procedure": "os.system"}, {"message": [1]}, {"procedure": None}],
)
def test_an_odd_order_is_not_sent(bench: Bench, changes: dict[str, Any]) -> None:
    """Only known procedures of a uuid, with a dictionary."""
    got = bench.call(**changes)

    assert isinstance(got[0], errors.BadRequest)
    assert bench.session.calls == []


def test_an_answer_that_is_no_message_is_refused(bench: Bench) -> None:
    """Answers are dictionaries."""
    got = bench.call()

    bench.session.answer.callback("text")

    assert isinstance(got[0], errors.BoardRefused)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (ApplicationError("wamp.error.no_such_procedure", "x"), errors.BoardOffline),
        (ApplicationError("wamp.error.canceled", "timeout reached"), errors.BoardTimeout),
        (ApplicationError("wamp.error.canceled", "callee disconnected"), errors.BoardLost),
        (ApplicationError("wamp.close.transport_lost", None), errors.BoardLost),
        (TransportLost(), errors.BoardLost),
        (ValueError("x"), errors.BoardRefused),
    ],
)
def test_failures_get_our_words(failure: Exception, expected: type[errors.Error]) -> None:
    """The router's and the transport's."""
    assert type(translate(failure)) is expected


def test_a_boards_own_error_keeps_its_uri() -> None:
    """With its sentence and details."""
    failure = ApplicationError("iotronic.error.busy", "later", details={"slots": 0})

    wire = translate(failure).to_wire()

    assert wire["code"] == "iotronic.error.busy"
    assert wire["message"] == "later"
    assert wire["details"] == {"slots": 0}


def test_a_link_that_breaks_during_the_call(bench: Bench) -> None:
    """The board may have done it: the call is lost, not unsent."""
    got = bench.call()

    bench.session.answer.errback(TransportLost())

    assert type(got[0]) is errors.BoardLost


def test_a_link_that_broke_before_the_call(bench: Bench) -> None:
    """Nothing was sent: the router is away."""

    def broken(*_: Any, **__: Any) -> Deferred[Any]:
        raise TransportLost

    bench.session.call = broken  # type: ignore[method-assign]

    assert type(bench.call()[0]) is errors.RouterUnavailable
