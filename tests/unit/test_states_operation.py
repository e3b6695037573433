"""The state machine of operations, and the words of IoTronic for its states."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotronic_mec.errors import Conflict
from iotronic_mec.operation import (
    MACHINE,
    OPEN,
    QUEUED,
    TERMINAL,
    cause,
    upstream_result,
    upstream_status,
)
from lightning_agent.protocol.checks import STATES

ALL = sorted(MACHINE.meaning)


def test_whole() -> None:
    """Every state has a meaning and moves; each is open or an end."""
    assert MACHINE.moves.keys() == MACHINE.meaning.keys()
    assert set(ALL) == OPEN | TERMINAL
    assert not OPEN & TERMINAL
    assert MACHINE.initial == QUEUED


@pytest.mark.parametrize("state", ALL)
def test_ends_are_terminal(state: str) -> None:
    """Exactly the ends are terminal."""
    assert MACHINE.is_terminal(state) is (state in TERMINAL)


@pytest.mark.parametrize("state", sorted(OPEN))
def test_every_open_state_can_end(state: str) -> None:
    """From every open state every end can be reached at once."""
    assert TERMINAL <= MACHINE.moves[state]


@given(st.lists(st.sampled_from(ALL), max_size=20))
def test_no_way_back(steps: list[str]) -> None:
    """Following allowed moves no state comes twice, and nothing follows an end."""
    path = [QUEUED]
    for step in steps:
        path += [step] if step in MACHINE.moves[path[-1]] else []

    assert len(set(path)) == len(path)
    assert all(state in OPEN for state in path[:-1])


@pytest.mark.parametrize("present", sorted(TERMINAL))
@pytest.mark.parametrize("wanted", ALL)
def test_check_refuses_after_an_end(present: str, wanted: str) -> None:
    """Nothing may follow an end; the refusal names both states."""
    with pytest.raises(Conflict) as told:
        MACHINE.check(present, wanted)

    assert told.value.details == {"state": present, "wanted": wanted}


def test_check_lets_pass() -> None:
    """An allowed move passes."""
    MACHINE.check(QUEUED, "dispatched")


def test_boards_words() -> None:
    """What a board may say of an operation is a state here."""
    assert set(STATES) <= set(ALL)


@pytest.mark.parametrize("state", ALL)
def test_upstream_words(state: str) -> None:
    """IoTronic's words agree on what has ended, and on what succeeded."""
    done = state in TERMINAL

    assert upstream_status(state) == ("COMPLETED" if done else "PENDING")
    assert (upstream_result(state) == "RUNNING") is not done
    assert (upstream_result(state) == "SUCCESS") is (state == "succeeded")


def test_cause() -> None:
    """A cause has its code, its sentence and further facts."""
    assert cause("c", "m", pid=3) == {"code": "c", "message": "m", "pid": 3}
