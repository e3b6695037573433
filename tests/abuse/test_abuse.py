"""Every attack, from the inside and as a control from the outside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.abuse.aftermath import CHECKS, end_token
from tests.abuse.attack import LEAKED, Attack
from tests.abuse.attacks import ATTACKS
from tests.abuse.board import ANSWER_S, Board
from tests.abuse.conftest import SETUPS
from tests.abuse.outside import run_outside, succeeded
from tests.abuse.report import Row, Table

pytestmark = pytest.mark.timeout(120)

RUN = [each for each in ATTACKS.values() if not each.pending and each.kind == "code"]
PENDING = [each for each in ATTACKS.values() if each.pending]


@pytest.mark.parametrize("attack", RUN, ids=lambda attack: attack.name)
def test_nothing_gets_out(
    attack: Attack, board: Board, told: dict[str, Any], token: str, table: Table
) -> None:
    """The attack ends by a layer that it names, and everybody answers within a second."""
    facts = {**told, **board.told(), "token": token}

    def look(plugin: str) -> list[str]:
        found = (CHECKS[name](board, plugin, facts) for name in attack.checks)
        return [each for each in found if each]

    seen = board.run(attack, facts, look)

    row = table.add(Row.judge(attack, board.setup.name, seen))
    assert seen.wrong == []
    assert row.verdict == "contained", f"{attack.leak}: {seen.parts}"
    assert max(seen.answers.values()) <= ANSWER_S, seen.answers
    assert board.neighbour_lives()


@pytest.mark.parametrize("attack", RUN, ids=lambda attack: attack.name)
@pytest.mark.parametrize("board", SETUPS[:1], indirect=True, ids=lambda setup: setup.name)
def test_the_same_code_succeeds_outside(
    attack: Attack, scratch: Path, told: dict[str, Any], token: str, board: Board
) -> None:
    """Control: without the sandbox the attack gets what it wants."""
    given = json.loads(json.dumps(attack.outside).replace("{scratch}", str(scratch)))
    facts = {**told, **board.told(), "token": token, "scratch": str(scratch), **given}

    found = run_outside(attack.code, facts, ground=attack.ground, calls=attack.calls)

    alive = end_token(token)
    Path(told["marker"]).unlink(missing_ok=True)
    assert succeeded(attack.succeeds, found, alive), {**found, "verdict": str(found)[:500]}


@pytest.mark.parametrize("attack", PENDING, ids=lambda attack: attack.name)
def test_what_is_not_there_yet(attack: Attack, table: Table) -> None:
    """An attack on what does not exist yet is kept in the table and never counts as contained."""
    table.add(Row(attack=attack, setup="all", verdict=f"pending ({attack.pending})"))


def test_the_list_is_whole() -> None:
    """All 80 of the specification are there, and 20 of our own; each names its layers."""
    assert list(ATTACKS) == list(range(1, 101))
    for attack in ATTACKS.values():
        assert attack.pending or (attack.stopped and LEAKED not in attack.stopped)
