"""What boards and wamp agents tell: presence, joins, journals, refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from iotronic_mec import errors
from iotronic_mec.context import system_context
from iotronic_mec.features.board import reports, store
from iotronic_mec.features.board.commands import BoardCommands
from iotronic_mec.features.board.model import BoardNotFound
from iotronic_mec.features.request import reports as request_reports
from iotronic_mec.ids import new_uuid
from lightning_agent.protocol.messages import (
    Join,
    Joined,
    OperationAnswer,
    OperationCall,
    OperationList,
    OperationRecord,
    Results,
)
from tests.fakes.parts import AGENT, OTHER_PROJECT, PROJECT, Core, audit_row, member

SYSTEM = system_context(1e6)


@pytest.fixture
def commands(core: Core) -> BoardCommands:
    """Give the board feature's commands."""
    made = core.commands["board"]
    assert isinstance(made, BoardCommands)
    return made


def presence(core: Core, uuid: str) -> tuple[str, str | None]:
    """Return the status and session stored."""
    with core.database.read() as connection:
        board = store.get_board(connection, "", uuid, every=True)
    return board.status, board.session


def change(board: str, online: bool, session: int | None) -> dict[str, Any]:
    """Return one change as a wamp agent reports it."""
    return {"board": board, "online": online, "session": session, "at": "2026-01-01T00:00:00Z"}


# -- presence ------------------------------------------------------------------------


def test_comes_and_goes(core: Core, commands: BoardCommands) -> None:
    """A board that joins is online, one whose session ends is offline; both are told."""
    uuid = core.make_board(session=1)

    commands.presence(SYSTEM, agent=AGENT, changes=[change(uuid, False, 1)])

    assert presence(core, uuid) == ("offline", None)
    assert len(core.events("board.online")) == len(core.events("board.offline")) == 1


def test_late_leave(core: Core, commands: BoardCommands) -> None:
    """The end of an older session, noticed late, changes nothing."""
    uuid = core.make_board(session=1)
    commands.presence(SYSTEM, agent=AGENT, changes=[change(uuid, True, 2)])

    commands.presence(SYSTEM, agent=AGENT, changes=[change(uuid, False, 1)])

    assert presence(core, uuid) == ("online", "2")
    assert core.events("board.offline") == []


def test_not_enrolled(core: Core, commands: BoardCommands) -> None:
    """A board that has no key cannot come online."""
    made = commands.create(member(), name="kitchen")

    commands.presence(SYSTEM, agent=AGENT, changes=[change(made["uuid"], True, 1)])

    assert presence(core, made["uuid"]) == ("registered", None)


def test_unknown_board(core: Core, commands: BoardCommands) -> None:
    """A change of a board deleted meanwhile does not keep the others' from counting."""
    uuid = core.make_board(session=0)

    commands.presence(
        SYSTEM, agent=AGENT, changes=[change(new_uuid(), True, 1), change(uuid, True, 2)]
    )

    assert presence(core, uuid) == ("online", "2")


CHANGES = st.lists(st.tuples(st.booleans(), st.integers(1, 3)), max_size=10)


@given(steps=CHANGES)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order(core: Core, commands: BoardCommands, steps: list[tuple[bool, int]]) -> None:
    """Whatever comes in whatever order: online with the session that joined last, or offline."""
    uuid = core.make_board(f"b{new_uuid()[:8]}", session=0)
    expected: str | None = None
    for online, session in steps:
        left = expected == str(session)
        expected = str(session) if online else (None if left else expected)

    commands.presence(
        SYSTEM, agent=AGENT, changes=[change(uuid, online, at) for online, at in steps]
    )

    assert presence(core, uuid) == ("offline" if expected is None else "online", expected)


def test_agent_up(core: Core, commands: BoardCommands) -> None:
    """A wamp agent that comes back puts right who is online, both ways."""
    stays, gone, new = (core.make_board(name, session=at) for at, name in enumerate("xyz", 1))
    commands.presence(SYSTEM, agent=AGENT, changes=[change(new, False, 3)])
    core.boards.online = {stays: 1, new: 9}

    commands.wamp_agent_up(SYSTEM, agent=AGENT, url="ws://x")

    assert presence(core, stays) == ("online", "1")
    assert presence(core, gone) == ("offline", None)
    assert presence(core, new) == ("online", "9")


def test_agent_up_while_a_board_joins(
    core: Core, commands: BoardCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A board that joins anew while the agent's list is compared stays online."""
    uuid = core.make_board(session=1)
    read_online = store.online_of_agent

    def read_then_join(connection: Any, agent: str) -> dict[str, str]:
        found = read_online(connection, agent)
        commands.presence(SYSTEM, agent=AGENT, changes=[change(uuid, True, 2)])
        return found

    monkeypatch.setattr(store, "online_of_agent", read_then_join)

    commands.wamp_agent_up(SYSTEM, agent=AGENT, url="ws://x")

    assert presence(core, uuid) == ("online", "2")


def test_agent_up_in_pages(core: Core, commands: BoardCommands) -> None:
    """Who is online is asked for page by page, so that any number fits."""
    boards = {core.make_board(f"b{at}", session=0): at for at in range(1, 6)}
    core.boards.online, core.boards.page = boards, 2

    commands.wamp_agent_up(SYSTEM, agent=AGENT, url="ws://x")

    assert {uuid: presence(core, uuid) for uuid in boards} == {
        uuid: ("online", str(session)) for uuid, session in boards.items()
    }
    assert [method for method, _ in core.boards.told].count("online") == 3


def test_agent_up_with_many(
    core: Core, commands: BoardCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many changes are written in several transactions."""
    monkeypatch.setattr(reports, "PRESENCE_BATCH", 2)
    boards = [core.make_board(f"b{at}", session=at) for at in range(1, 6)]

    commands.wamp_agent_up(SYSTEM, agent=AGENT, url="ws://x")

    assert {presence(core, uuid) for uuid in boards} == {("offline", None)}


def test_boards_of_an_agent_that_is_gone(core: Core, commands: BoardCommands) -> None:
    """They are offline; while the agent is there nothing changes; a later join counts."""
    held, moved = core.make_board("held", session=1), core.make_board("moved", session=2)
    there = commands.check_agents(), presence(core, held)
    core.boards.gone = True

    gone = commands.check_agents()
    commands.presence(SYSTEM, agent="another", changes=[change(moved, True, 7)])

    assert there == (0, ("online", "1"))
    assert gone == 2
    assert presence(core, held) == ("offline", None)
    assert presence(core, moved) == ("online", "7")


# -- joins ---------------------------------------------------------------------------


def test_join(core: Core, commands: BoardCommands) -> None:
    """What a board says of itself is stored; it is told its name and the rhythm."""
    uuid = core.make_board("kitchen")
    join = Join(protocol=1, agent_version="1.2", level="basic", capabilities={"cpu": 4})

    answer = Joined.from_wire(commands.joined(SYSTEM, board=uuid, session=7, join=join.to_wire()))

    with core.database.read() as connection:
        board = store.get_board(connection, "", uuid, every=True)
    assert (answer.name, answer.plugins, answer.retry_window_s) == ("kitchen", [], 1.0)
    assert (board.lr_version, board.level, board.capabilities) == ("1.2", "basic", {"cpu": 4})


def test_join_of_a_deleted_board(core: Core, commands: BoardCommands) -> None:
    """A board deleted meanwhile is told that it is not known."""
    join = Join(protocol=1, agent_version="1.2")

    with pytest.raises(BoardNotFound):
        commands.joined(SYSTEM, board=new_uuid(), session=7, join=join.to_wire())


# -- journals ------------------------------------------------------------------------


def record(project: str = PROJECT) -> OperationRecord:
    """Return a journal entry of an operation nobody recorded."""
    call = OperationCall(
        operation=new_uuid(),
        request=new_uuid(),
        action="PluginCall",
        project=project,
        user="u",
        remaining_s=1.0,
    )
    answer = OperationAnswer(operation=call.operation, state="succeeded", message=1)
    return OperationRecord(call=call, answer=answer)


def test_journal(core: Core, commands: BoardCommands) -> None:
    """A board is asked for what has no end here, then told that it is recorded."""
    uuid, entry = core.make_board(), record()
    listed = OperationList(operations=[entry.call.operation]).to_wire()
    before = commands.operations(SYSTEM, board=uuid, operations=listed)

    taken = commands.results(SYSTEM, board=uuid, results=Results(records=[entry]).to_wire())

    after = commands.operations(SYSTEM, board=uuid, operations=listed)
    assert before == {"known": [], "wanted": [entry.call.operation]}
    assert taken["known"] == after["known"] == [entry.call.operation]


def test_journal_names_another_project(core: Core, commands: BoardCommands) -> None:
    """A board cannot write into another project; it is told to forget the entry."""
    uuid, entry = core.make_board(), record(OTHER_PROJECT)

    taken = commands.results(SYSTEM, board=uuid, results=Results(records=[entry]).to_wire())

    assert taken["known"] == [entry.call.operation]
    assert core.operations() == []


def results(commands: BoardCommands, board: str, *records: OperationRecord) -> list[str]:
    """Have a board tell results; return those it may forget."""
    told = commands.results(SYSTEM, board=board, results=Results(records=list(records)).to_wire())
    return list(told["known"])


def test_journal_names_its_source(core: Core, commands: BoardCommands) -> None:
    """Who ordered an unknown operation is the board's word, and the audit says so."""
    uuid, entry = core.make_board(), record()

    results(commands, uuid, entry)

    with core.database.read() as connection:
        rows = connection.execute(
            select(audit_row.c.details).where(audit_row.c.action == "board.PluginCall")
        ).all()
    (part,) = core.operations()
    assert part.user == "u"
    assert [row.details["source"] for row in rows] == ["board"]
    assert [row.details["said_user"] for row in rows] == ["u"]


def test_journal_of_an_unknown_action(core: Core, commands: BoardCommands) -> None:
    """An action the cloud does not have is not recorded; the board may forget it."""
    uuid, entry = core.make_board(), record()
    entry = replace(entry, call=replace(entry.call, action="board.delete"))

    known = results(commands, uuid, entry)

    assert known == [entry.call.operation]
    assert core.operations() == []


def test_journal_is_bounded(
    core: Core, commands: BoardCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A board tells only so many unknown operations a minute; others are not hindered."""
    monkeypatch.setattr(request_reports, "MAX_UNKNOWN_PER_MINUTE", 3)
    tales, honest = core.make_board("tales"), core.make_board("honest")
    entries = [record() for _ in range(5)]

    first = results(commands, tales, *entries)
    other = results(commands, honest, record())
    core.clock.advance(60)
    later = results(commands, tales, *entries)

    assert first == [entry.call.operation for entry in entries[:3]]
    assert len(other) == 1
    assert later == [entry.call.operation for entry in entries]


# -- the rest ------------------------------------------------------------------------


def test_directory_pages(core: Core, commands: BoardCommands) -> None:
    """The pages of the directory hold every enrolled board once, and no other."""
    enrolled = sorted(core.make_board(f"b{at}") for at in range(5))
    commands.create(member(), name="not-enrolled")

    first = commands.directory(SYSTEM, limit=3)
    second = commands.directory(SYSTEM, limit=3, after=first["next"])

    assert [entry["uuid"] for entry in first["boards"] + second["boards"]] == enrolled
    assert second["next"] is None


def test_spread(core: Core) -> None:
    """Wamp agents are told of each board enrolled, by its present key, and deleted."""
    uuid = core.make_board("kitchen")
    enrolled = {"topic": "board.enrolled", "subject": uuid}
    deleted = {"topic": "board.deleted", "subject": uuid}

    reports.spread(core.parts, enrolled)
    reports.spread(core.parts, deleted)
    reports.spread(core.parts, {**enrolled, "subject": new_uuid()})

    key = b"kitchen".hex().ljust(64, "0")
    told = {"board": uuid, "public_key": key, "project": PROJECT, "name": "kitchen"}
    assert core.boards.told == [("put", told), ("remove", {"board": uuid, "reason": "deleted"})]


def test_refusals(core: Core, commands: BoardCommands) -> None:
    """Refusals are in the audit with their reason, cut to size."""
    entries = [{"authid": "x" * 500, "reason": "wrong_key", "count": 3, "peer": "p" * 500}]

    commands.refusals(SYSTEM, entries=entries)

    assert core.audited() == [("wamp.refused", "refused", "wrong_key")]


def test_guessing_codes(core: Core, commands: BoardCommands) -> None:
    """After some unknown codes in a second further ones are put off; a right one is not."""
    made = commands.create(member(), name="kitchen")
    for _ in range(reports.UNKNOWN_CODES_PER_S):
        with pytest.raises(reports.CodeUnknown):
            commands.find_code(SYSTEM, digest="0" * 64)

    with pytest.raises(errors.Busy):
        commands.find_code(SYSTEM, digest="0" * 64)

    found = commands.find_code(SYSTEM, digest=commands._digest(made["code"]))
    assert found["board"] == made["uuid"]
