"""What terms mean, and that lending on never gives more."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from iotronic_mec.features.grant.model import (
    LIVE,
    NOT_YET,
    OUT_OF_HOURS,
    Grant,
    Hours,
    Terms,
    covers,
    wider,
)

START = datetime(2030, 3, 30, tzinfo=UTC)
ACTIONS = ("board.get", "board.action", "board.action:DeviceEcho", "plugin.call")

MOMENTS = st.integers(0, 72).map(lambda hours: START + timedelta(hours=hours))
TIMES = st.integers(0, 95).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
ZONES = st.sampled_from(["UTC", "Europe/Rome", "Asia/Kolkata"])
HOURS = st.builds(Hours, start=TIMES, end=TIMES, zone=ZONES).filter(lambda h: h.start != h.end)
TERMS = st.builds(
    Terms,
    kind=st.just("board"),
    target=st.just("b"),
    actions=st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=3).map(tuple),
    not_before=st.none() | MOMENTS,
    expires_at=st.none() | MOMENTS,
    hours=st.none() | HOURS,
    max_uses=st.none() | st.integers(1, 5),
    relend=st.booleans(),
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Terms, Terms]:
    """Return terms and others that share some dimensions with them, so that many are narrower."""
    old, other = replace(draw(TERMS), relend=True), draw(TERMS)
    fields = ("actions", "not_before", "expires_at", "hours", "max_uses")
    kept = {name: getattr(old, name) for name in fields if draw(st.integers(0, 3))}
    return old, replace(other, **kept)


def made(terms: Terms, uses: int = 0) -> Grant:
    """Return a grant of these terms."""
    return Grant(
        uuid="g",
        parent=None,
        owner="p",
        by_user="u",
        by_project="p",
        to_kind="user",
        to="v",
        terms=terms,
        uses=uses,
        created_at=START,
    )


@given(both=pairs(), at=st.integers(0, 72 * 4), action=st.sampled_from(ACTIONS))
def test_what_passes_a_further_grant_passes_the_one_it_is_made_from(
    both: tuple[Terms, Terms], at: int, action: str
) -> None:
    """Whenever new terms are not wider, all they let pass the old ones let pass, at any moment."""
    old, new = both
    moment = START + timedelta(minutes=15 * at)
    assume(wider(new, old) is None)
    passes = made(new).standing(moment) == LIVE and covers(new.actions, action)

    if passes:
        assert made(old).standing(moment) == LIVE
        assert covers(old.actions, action)
        ends = [made(terms).until(moment) for terms in (new, old)]
        assert ends[1] is None or (ends[0] is not None and ends[0] <= ends[1])
        assert old.max_uses is None or (new.max_uses or 99) <= old.max_uses


@given(terms=TERMS)
def test_the_same_terms_are_not_wider(terms: Terms) -> None:
    """Control: what may be lent on may be lent on whole."""
    assert wider(terms, replace(terms, relend=True)) is None
    assert wider(terms, replace(terms, relend=False)) is not None


def test_uses_that_are_gone_cannot_be_lent_on() -> None:
    """What is left is the most that can be given."""
    terms = Terms(kind="board", target="b", actions=("board.get",), max_uses=5)

    assert wider(terms, terms, 0) is None
    assert wider(terms, terms, 1) == ("max_uses", "at most what is left of that grant")
    assert wider(replace(terms, max_uses=4), terms, 1) is None


@pytest.mark.parametrize(
    ("minutes", "closes"), [(-1, None), (0, 120), (119, 1), (120, None), (60, 60)]
)
def test_a_window_over_midnight(minutes: int, closes: int | None) -> None:
    """23:00 to 01:00 in Rome is one window; the end is not itself inside."""
    hours = Hours(start="23:00", end="01:00", zone="Europe/Rome")
    moment = datetime(2030, 1, 1, 22, tzinfo=UTC) + timedelta(minutes=minutes)
    expected = None if closes is None else moment + timedelta(minutes=closes)

    assert hours.close(moment) == expected


def test_a_window_keeps_local_time_when_the_clocks_change() -> None:
    """On the day summer time begins the window of a zone moves by an hour in UTC."""
    grant = made(
        Terms(
            kind="board",
            target="b",
            actions=("board.get",),
            hours=Hours(start="09:00", end="10:00", zone="Europe/Rome"),
        )
    )

    winter = datetime(2030, 3, 30, 8, 30, tzinfo=UTC)
    assert grant.standing(winter) == LIVE
    assert grant.standing(winter + timedelta(days=1)) == OUT_OF_HOURS
    assert grant.standing(winter + timedelta(days=1, hours=-1)) == LIVE


def test_it_begins_and_ends_at_the_moment_said() -> None:
    """The beginning is inside, the end is not."""
    terms = Terms(
        kind="board",
        target="b",
        actions=("board.get",),
        not_before=START,
        expires_at=START + timedelta(hours=1),
    )
    grant, second = made(terms), timedelta(seconds=1)

    assert grant.standing(START - second) == NOT_YET
    assert grant.standing(START) == LIVE
    assert grant.standing(START + timedelta(hours=1) - second) == LIVE
    assert grant.standing(START + timedelta(hours=1)) == "expired"
