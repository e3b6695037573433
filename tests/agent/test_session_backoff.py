"""When the agent tries again."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_agent.session.backoff import (
    CEILING_S,
    JOIN_LIMIT,
    REFUSED_S,
    TRANSPORT_LOST,
    Reaction,
    Schedule,
    SessionEnd,
    reaction_to,
)

LOST = SessionEnd(reason=TRANSPORT_LOST)
SUPERSEDED = SessionEnd(reason="iotronic.close.superseded", joined=True, ready_s=99)


@pytest.mark.parametrize(
    ("reason", "joined", "reaction"),
    [
        ("wamp.error.no_such_procedure", False, Reaction.RETRY),
        ("wamp.error.authorization_failed", False, Reaction.RETRY),
        (TRANSPORT_LOST, True, Reaction.RETRY),
        (JOIN_LIMIT, False, Reaction.RETRY),
        ("wamp.error.not_authorized", False, Reaction.REFUSED),
        ("wamp.error.not_authorized", True, Reaction.RETRY),
        ("iotronic.error.board_unknown", False, Reaction.REFUSED),
        ("iotronic.close.deleted", True, Reaction.REFUSED),
        ("iotronic.close.superseded", True, Reaction.SUPERSEDED),
        ("iotronic.close.enrolled", True, Reaction.ENROLLED),
        ("iotronic.close.restart", True, Reaction.RETRY),
        ("something.new", True, Reaction.RETRY),
    ],
)
def test_reasons_ask_for_their_reactions(reason: str, joined: bool, reaction: Reaction) -> None:
    """Each reason of the table has its reaction; an unknown one is retried."""
    end = SessionEnd(reason=reason, joined=joined)

    assert reaction_to(end) is reaction


@given(seed=st.integers(), window_s=st.floats(0, 100))
def test_first_retry_is_within_the_window(seed: int, window_s: float) -> None:
    """The first retry comes within the window the cloud told."""
    schedule = Schedule(random.Random(seed), window_s)

    delay_s = schedule.delay_after(LOST, 0)

    assert 0 <= delay_s <= window_s


def test_first_retries_spread_over_the_window() -> None:
    """A thousand boards that lose the cloud together come back evenly."""
    delays = [Schedule(random.Random(seed), 100).delay_after(LOST, 0) for seed in range(1000)]

    thirds = [sum(low <= delay < low + 25 for delay in delays) for low in (0, 25, 50, 75)]

    assert min(thirds) > 200


@given(seed=st.integers(), failures=st.integers(2, 40))
def test_delays_grow_to_the_ceiling(seed: int, failures: int) -> None:
    """Every later delay is the grown one within the jitter, and never over the ceiling."""
    schedule = Schedule(random.Random(seed), 2)
    delays = [schedule.delay_after(LOST, 0) for _ in range(failures)]

    grown = min(1.7 ** (failures - 2), CEILING_S)

    assert grown * 0.7 - 1e-9 <= delays[-1] <= min(grown * 1.3, CEILING_S) + 1e-9


def test_stable_session_starts_the_schedule_anew() -> None:
    """After a session that lasted, the first retry is within the window again."""
    schedule = Schedule(random.Random(1), 0.5)
    for _ in range(10):
        schedule.delay_after(LOST, 0)

    delay_s = schedule.delay_after(SessionEnd(reason=TRANSPORT_LOST, joined=True, ready_s=11), 0)

    assert delay_s <= 0.5


def test_flapping_session_does_not() -> None:
    """A session that was ready for a moment only does not start the schedule anew."""
    schedule = Schedule(random.Random(1), 0.5)
    for _ in range(10):
        schedule.delay_after(LOST, 0)

    delay_s = schedule.delay_after(SessionEnd(reason=TRANSPORT_LOST, joined=True, ready_s=0.1), 0)

    assert delay_s > 30


@given(seed=st.integers())
def test_refusal_waits_about_ten_minutes(seed: int) -> None:
    """A deleted board or a wrong key is tried at the ceiling of ten minutes."""
    schedule = Schedule(random.Random(seed))

    delay_s = schedule.delay_after(SessionEnd(reason="iotronic.error.board_unknown"), 0)

    assert 0.7 * REFUSED_S <= delay_s <= REFUSED_S


@given(seed=st.integers())
def test_superseded_waits_half_a_minute_to_one(seed: int) -> None:
    """A superseded session waits 30 to 60 s."""
    schedule = Schedule(random.Random(seed))

    delay_s = schedule.delay_after(SUPERSEDED, 0)

    assert 30 <= delay_s <= 60
    assert not schedule.cloned


@pytest.mark.parametrize(("apart_s", "cloned"), [(599, True), (601, False)])
def test_superseded_twice_within_ten_minutes_is_a_clone(apart_s: float, cloned: bool) -> None:
    """Two within ten minutes mean that two boards share an identity."""
    schedule = Schedule(random.Random(1))
    schedule.delay_after(SUPERSEDED, 1000)

    schedule.delay_after(SUPERSEDED, 1000 + apart_s)

    assert schedule.cloned is cloned
