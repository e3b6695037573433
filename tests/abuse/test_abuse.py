"""Every attack, from the inside and as a control from the outside."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from iotronic_mec.sdk import Error
from tests.abuse.aftermath import CHECKS, end_token
from tests.abuse.attack import LEAKED, Attack
from tests.abuse.attacks import ATTACKS
from tests.abuse.board import ANSWER_S, Board, Outcome, word_of
from tests.abuse.bundles import LOAD, MODELS, TRICKS, honest, is_a_trick, real_model
from tests.abuse.conftest import SETUPS
from tests.abuse.outside import run_outside, succeeded
from tests.abuse.report import Row, Table
from tests.agent.supervised import make_zip

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
    if attack.known and row.verdict != "contained":
        pytest.xfail(f"{attack.known}: {seen.parts}")
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


@pytest.mark.parametrize("name", sorted(TRICKS))
def test_a_package_that_is_a_trick_is_refused(
    name: str, board: Board, table: Table, scratch: Path
) -> None:
    """Attack 77: it never comes onto the board, and the board says why; a naive one takes it."""
    content = TRICKS[name]()

    begin = time.monotonic()
    with pytest.raises(Error) as refused:
        board.attacker.put("trick", content, filename="plugin.zip", callable=True)
    by_cloud = refused.value.message.startswith("bundle: ")
    seen = Outcome(
        parts={name: "bundle" if by_cloud else word_of(refused.value)},
        lasted_s=time.monotonic() - begin,
        answers=board.answers(),
        wrong=[],
    )

    row = table.add(Row.judge(ATTACKS[77], board.setup.name, seen, part=name))
    assert row.verdict == "contained", refused.value
    assert max(seen.answers.values()) <= ANSWER_S
    assert is_a_trick(name, content, scratch), "control: unpacked carelessly it does harm"


def test_an_honest_package_is_taken(board: Board) -> None:
    """Control of 77: what is like the tricks and is none comes onto the board and runs."""
    plugin = board.attacker.put("honest", honest(), filename="plugin.zip", callable=True)

    answer = board.attacker.client.injections.call(board.attacker.at(plugin))

    board.attacker.take_away(plugin)
    assert answer.value == "ran"


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_model_that_is_none_ends_its_call_only(name: str, board: Board, table: Table) -> None:
    """Attack 78: refused, or the end of its own process; a real model is loaded."""
    bundle = make_zip(
        {"plugin.py": LOAD, "real.tflite": real_model(), "bad.tflite": MODELS[name]()}
    )
    plugin = board.attacker.put("model", bundle, filename="plugin.zip", callable=True)

    begin = time.monotonic()
    real = board.attacker.client.injections.call(board.attacker.at(plugin), {"file": "real"})
    parts = board.call(plugin, {"file": "bad"})
    seen = Outcome(
        parts=parts, lasted_s=time.monotonic() - begin, answers=board.answers(), wrong=[]
    )

    board.attacker.take_away(plugin)
    row = table.add(Row.judge(ATTACKS[78], board.setup.name, seen, part=name))
    assert real.value == "loaded"
    assert row.verdict == "contained", parts
    assert max(seen.answers.values()) <= ANSWER_S


def test_the_list_is_whole() -> None:
    """All 80 of the specification are there, and 20 of our own; each names its layers."""
    assert list(ATTACKS) == list(range(1, 101))
    for attack in ATTACKS.values():
        assert attack.pending or (attack.stopped and LEAKED not in attack.stopped)
