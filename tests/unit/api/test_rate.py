"""How many requests a project and a user may make."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotronic_mec.api import rate
from iotronic_mec.api.problem import TooManyRequests
from iotronic_mec.api.rate import Buckets, Rates
from iotronic_mec.clock import ManualClock
from iotronic_mec.context import Context
from iotronic_mec.counted import Rate


def asked(user: str = "ann", project: str = "red") -> Context:
    """Return the context of a request."""
    return Context(user=user, project=project)


def passes(rates: Rates, context: Context) -> bool:
    """Say whether a request passes."""
    try:
        rates.check(context)
    except TooManyRequests:
        return False
    return True


def test_a_burst_and_then_the_rate() -> None:
    """As many as the burst pass at once, then one for each interval."""
    clock = ManualClock()
    rates = Rates(Rate(per_s=2, burst=3), Rate(), clock)

    at_once = [passes(rates, asked()) for _ in range(5)]
    clock.advance(0.5)
    after = [passes(rates, asked()) for _ in range(2)]

    assert at_once == [True, True, True, False, False]
    assert after == [True, False]


def test_users_and_projects_apart() -> None:
    """A user who asks too often keeps neither others of the project nor other projects out."""
    rates = Rates(Rate(per_s=1, burst=4), Rate(per_s=1, burst=2), ManualClock())

    ann = [passes(rates, asked()) for _ in range(10)]
    bob = [passes(rates, asked("bob")) for _ in range(10)]

    assert (ann.count(True), bob.count(True)) == (2, 2)
    assert not passes(rates, asked("carol"))
    assert passes(rates, asked("carol", "blue"))


def test_the_error_says_when_to_come_back() -> None:
    """Whose limit it is and the seconds, rounded up, stand in the error."""
    clock = ManualClock()
    rates = Rates(Rate(per_s=0.4, burst=1), Rate(), clock)
    rates.check(asked())

    with pytest.raises(TooManyRequests) as caught:
        rates.check(asked())

    assert caught.value.details == {"limit_of": "project", "retry_after_s": 3}
    assert "3 s" in caught.value.message
    clock.advance(3)
    assert passes(rates, asked())


def test_no_limit() -> None:
    """With 0 nothing is counted."""
    rates = Rates(Rate(), Rate(), ManualClock())

    assert all(passes(rates, asked()) for _ in range(1000))


def test_an_operator_in_no_project() -> None:
    """Operators of the whole system share no bucket of a project they are not in."""
    rates = Rates(Rate(per_s=1, burst=1), Rate(), ManualClock())

    assert all(passes(rates, asked(project="")) for _ in range(5))


def test_buckets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many names push the oldest out and no more."""
    monkeypatch.setattr(rate, "MAX_BUCKETS", 3)
    buckets = Buckets(Rate(per_s=1, burst=1), ManualClock())

    for number in range(10):
        buckets.take(str(number))

    assert list(buckets._filled) == ["7", "8", "9"]


@given(
    per_s=st.floats(0.1, 100),
    burst=st.integers(1, 20),
    pauses=st.lists(st.floats(0, 5), max_size=60),
)
def test_never_more_than_rate_and_burst(per_s: float, burst: int, pauses: list[Any]) -> None:
    """However requests are spread, no more pass than burst plus rate times time."""
    clock = ManualClock()
    buckets = Buckets(Rate(per_s=per_s, burst=burst), clock)
    passed, spent = 0, 0.0

    for pause in pauses:
        clock.advance(pause)
        spent += pause
        passed += not buckets.take("x")

    assert passed <= burst + per_s * spent + 1e-6


def test_what_was_served_already_is_a_debt() -> None:
    """Requests that passed without being asked about count all the same, also when refused."""
    clock = ManualClock()
    rates = Rates(Rate(per_s=1, burst=100), Rate(per_s=1, burst=5), clock)

    rates.check(asked(), 3)
    left = [rates.left(asked()), rates.left(asked("bob"))]
    with pytest.raises(TooManyRequests):
        rates.check(asked(), 10)
    clock.advance(8)
    in_debt = passes(rates, asked())
    clock.advance(3)

    assert left == [1, 5]
    assert not in_debt
    assert passes(rates, asked())
    assert rates.left(asked("bob")) == 5


def test_without_limits_nothing_is_left_to_say() -> None:
    """Where nothing is limited any number passes."""
    assert Rates(Rate(), Rate(), ManualClock()).left(asked()) is None
