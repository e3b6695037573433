"""Enrolment codes: once, for one key, for a short while again for the same."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotronic_mec.context import system_context
from iotronic_mec.errors import BadRequest, CodeUnknownOrUsed
from iotronic_mec.features.board.reports import CodeUnknown
from iotronic_mec.features.enrolment_code import model, store
from iotronic_mec.features.enrolment_code.model import REPEAT_WINDOW, CodeExists
from lightning_agent.protocol import names
from tests.fakes.parts import SECRET, Core, member

CODE = "CHOSEN-CODE"
KEY, OTHER_KEY = "a" * 64, "b" * 64


@pytest.fixture
def row(core: Core) -> int:
    """Give the row of a fresh code."""
    core.commands["board"].create(member(), name="kitchen", code=CODE)
    return find(core)["row"]


def find(core: Core, code: str = CODE) -> dict:
    """Look a code up as the router's authenticator does."""
    found: dict = core.commands["board"].find_code(
        system_context(), digest=model.digest(SECRET, code)
    )
    return found


def enrol(core: Core, row: int, key: str = KEY) -> dict:
    """Show a code with a key."""
    done: dict = core.commands["board"].enrolled(system_context(), row=row, public_key=key)
    return done


def test_first_use(core: Core, row: int) -> None:
    """The first key is accepted; the board is offline from then on, and it is told."""
    answer = enrol(core, row)

    assert answer["name"] == "kitchen"
    assert find(core)["used"] is True
    assert core.audited("board.enrol") == [("board.enrol", "success", "")]
    assert core.events("board.enrolled")[0]["body"]["key"] == KEY


def test_one_of_two_keys_wins(core: Core, row: int) -> None:
    """Of many keys shown with one code at the same time exactly one is accepted."""
    keys = [f"{at:064x}" for at in range(8)]
    together = threading.Barrier(len(keys))

    def show(key: str) -> bool:
        together.wait(5)
        try:
            enrol(core, row, key)
        except CodeUnknownOrUsed:
            return False
        return True

    with ThreadPoolExecutor(len(keys)) as pool:
        won = [key for key, first in zip(keys, pool.map(show, keys), strict=True) if first]

    with core.database.read() as connection:
        kept = store.find(connection, model.digest(SECRET, CODE))
    assert kept is not None
    assert won == [kept.public_key]
    assert len(core.events("board.enrolled")) == 1


def test_same_key_within_the_window(core: Core, row: int) -> None:
    """The same key may show the code again until the window closes."""
    first = enrol(core, row)
    core.clock.advance(REPEAT_WINDOW.total_seconds())

    again = enrol(core, row)

    assert again == first


def test_same_key_after_the_window(core: Core, row: int) -> None:
    """After the window even the same key is refused."""
    enrol(core, row)
    core.clock.advance(REPEAT_WINDOW.total_seconds() + 1)

    with pytest.raises(CodeUnknownOrUsed) as told:
        enrol(core, row)

    assert told.value.details["reason"] == "code_used"
    assert find(core)["repeatable"] is False


def test_other_key_within_the_window(core: Core, row: int) -> None:
    """Another key is refused although the window is open; the first one stays."""
    enrol(core, row)

    with pytest.raises(CodeUnknownOrUsed):
        enrol(core, row, OTHER_KEY)

    assert find(core)["public_key"] == KEY
    assert len(core.events("board.enrolled")) == 1


def test_unknown_row(core: Core) -> None:
    """A row that is not there is refused."""
    with pytest.raises(CodeUnknownOrUsed) as told:
        enrol(core, 12345)

    assert told.value.details["reason"] == "code_unknown"


def test_new_code_ends_the_old(core: Core, row: int) -> None:
    """After a new code the old one is unknown; the key enrolled stays."""
    enrol(core, row)

    core.commands["board"].new_code(member(), board="kitchen", code="ANOTHER-CODE")

    with pytest.raises(CodeUnknown):
        find(core)
    assert find(core, "ANOTHER-CODE")["used"] is False
    with pytest.raises(CodeUnknownOrUsed):
        enrol(core, row)


def test_new_code_with_a_new_key(core: Core, row: int) -> None:
    """A new code lets a new key take the old one's place; the board is offline then."""
    uuid = enrol(core, row)["board"]
    change = {"board": uuid, "online": True, "session": 5}
    core.commands["board"].presence(system_context(), agent="a", changes=[change])
    core.commands["board"].new_code(member(), board="kitchen", code="ANOTHER-CODE")

    enrol(core, find(core, "ANOTHER-CODE")["row"], OTHER_KEY)

    page = core.commands["board"].directory(system_context())
    assert [entry["public_key"] for entry in page["boards"]] == [OTHER_KEY]
    with core.database.read() as connection:
        target = core.commands["board"]._target(connection, member(), "kitchen")
    assert target.status == "offline"


@pytest.mark.parametrize("used", [False, True])
def test_code_of_another_board(core: Core, row: int, used: bool) -> None:
    """A code another board has, used or not, cannot be chosen."""
    if used:
        enrol(core, row)

    with pytest.raises(CodeExists):
        core.commands["board"].create(member(), name="garden", code=CODE)

    assert find(core)["row"] == row


def test_clear_text_is_nowhere(core: Core, row: int) -> None:
    """The code stands in no column of the table, and nowhere in audit or events."""
    with core.database.read() as connection:
        kept = connection.exec_driver_sql("SELECT * FROM enrolment_code").all()

    assert CODE not in repr(kept)
    assert CODE not in repr(core.events())


def test_generated_codes_may_be_chosen_too() -> None:
    """What is generated passes the rule for codes, and no two are alike."""
    made = {model.check(model.generate()) for _ in range(100)}

    assert len(made) == 100


@given(st.text(max_size=40))
def test_check_is_the_protocols_rule(code: str) -> None:
    """A code is taken exactly when an agent may send it."""
    try:
        taken = model.check(code) == code
    except BadRequest:
        taken = False

    assert taken is (names.CODE.fullmatch(code) is not None)
