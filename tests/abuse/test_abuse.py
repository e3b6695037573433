"""Every attack, from the inside and as a control from the outside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.abuse.attack import LEAKED, Attack
from tests.abuse.attacks import ATTACKS
from tests.abuse.board import ANSWER_S, Board
from tests.abuse.conftest import SETUPS
from tests.abuse.outside import run_outside
from tests.abuse.report import Row, Table

pytestmark = pytest.mark.timeout(120)

RUN = [attack for attack in ATTACKS.values() if not attack.pending]
PENDING = [attack for attack in ATTACKS.values() if attack.pending]


@pytest.mark.parametrize("attack", RUN, ids=lambda attack: attack.name)
def test_nothing_gets_out(
    attack: Attack, board: Board, told: dict[str, Any], table: Table
) -> None:
    """The attack ends by a layer that it names, and everybody answers within a second."""
    outcomes, lasted_s = board.run(attack.code, {**told, **board.told()}, attack.calls)

    strange = {part: word for part, word in outcomes.items() if word not in attack.stopped}
    answers = board.answers()
    layers = tuple(dict.fromkeys(attack.stopped.get(word, word) for word in outcomes.values()))
    leaked = LEAKED in outcomes.values()
    verdict = "LEAKED" if leaked else "UNCLEAR" if strange else "contained"
    slowest_s = max(answers.values())
    table.add(
        Row(
            attack=attack,
            setup=board.setup.name,
            verdict=verdict,
            layers=layers,
            ms=lasted_s * 1000,
            slowest_ms=slowest_s * 1000,
        )
    )
    assert strange == {}, f"{attack.leak}: {outcomes}"
    assert slowest_s <= ANSWER_S, answers
    assert board.neighbour_lives()


@pytest.mark.parametrize("attack", RUN, ids=lambda attack: attack.name)
@pytest.mark.parametrize("board", SETUPS[:1], indirect=True, ids=lambda setup: setup.name)
def test_the_same_code_succeeds_outside(
    attack: Attack, scratch: Path, told: dict[str, Any], board: Board
) -> None:
    """Control: without the sandbox the attack gets what it wants."""
    given = json.loads(json.dumps(attack.outside).replace("{scratch}", str(scratch)))
    facts = {**told, **board.told(), "scratch": str(scratch), **given}

    found = run_outside(attack.code, facts, ground=attack.ground, calls=attack.calls)

    verdict = found["verdict"] or {}
    assert verdict.get("leaked") is True, found


@pytest.mark.parametrize("attack", PENDING, ids=lambda attack: attack.name)
def test_what_is_not_there_yet(attack: Attack, table: Table) -> None:
    """An attack on what does not exist yet is kept in the table and never counts as contained."""
    table.add(Row(attack=attack, setup="all", verdict=f"pending ({attack.pending})"))
