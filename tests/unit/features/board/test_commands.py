"""Boards: making, changing, deleting, orders, and whose they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from iotronic_mec import errors
from iotronic_mec.context import Context
from iotronic_mec.features.board import store
from iotronic_mec.features.board.commands import BoardCommands
from iotronic_mec.features.board.model import Board, BoardExists, BoardNotFound
from iotronic_mec.features.enrolment_code import store as code_store
from iotronic_mec.features.request.model import Order
from tests.fakes.boards import fail_with
from tests.fakes.parts import OTHER_PROJECT, PROJECT, Core, member

CHOSEN = "dddddddd-dddd-4ddd-8ddd-dddddddddddd"


@pytest.fixture
def commands(core: Core) -> BoardCommands:
    """Give the board feature's commands."""
    made = core.commands["board"]
    assert isinstance(made, BoardCommands)
    return made


def read(core: Core, ident: str) -> Board:
    """Return a board as it is stored."""
    with core.database.read() as connection:
        return store.get_board(connection, PROJECT, ident, every=True)


def code_row(core: Core, uuid: str) -> Any:
    """Return the board's code as it is stored."""
    with core.database.read() as connection:
        return code_store.find_of_board(connection, uuid)


def test_create(core: Core, commands: BoardCommands) -> None:
    """A board is registered with labels and place; audit and event go with it."""
    place = {"longitude": "15.5", "latitude": "38.2", "altitude": "5"}

    made = commands.create(member(), name="kitchen", labels={"room": "k"}, location=[place])

    board = read(core, made["uuid"])
    assert (board.status, board.labels, board.location[0].longitude) == (
        "registered",
        {"room": "k"},
        "15.5",
    )
    assert core.audited() == [("board.create", "success", "")]
    assert [entry["topic"] for entry in core.events()] == ["board.created"]


def test_name_is_taken(core: Core, commands: BoardCommands) -> None:
    """A project has one board of a name; another project may use it too."""
    commands.create(member(), name="kitchen")

    with pytest.raises(BoardExists):
        commands.create(member(), name="kitchen")

    commands.create(member(OTHER_PROJECT), name="kitchen")


@pytest.mark.parametrize("key", [None, "k"])
def test_uuid_of_another_project(core: Core, commands: BoardCommands, key: str | None) -> None:
    """Naming another project's board gives no code for it, with or without a key."""
    commands.create(member(), name="kitchen", uuid=CHOSEN)
    before = code_row(core, CHOSEN)

    with pytest.raises(BoardExists):
        commands.create(member(OTHER_PROJECT, key=key), name="kitchen", uuid=CHOSEN)

    assert code_row(core, CHOSEN) == before


def test_uuid_of_another_board(core: Core, commands: BoardCommands) -> None:
    """Naming an own board of another name gives no code for it either."""
    commands.create(member(), name="kitchen", uuid=CHOSEN)
    before = code_row(core, CHOSEN)

    with pytest.raises(BoardExists):
        commands.create(member(key="k"), name="garden", uuid=CHOSEN)

    assert code_row(core, CHOSEN) == before


def test_create_repeated(core: Core, commands: BoardCommands) -> None:
    """A repeated try finds the board the first one made, and gets a code that works."""
    first = commands.create(member(key="k"), name="kitchen")

    again = commands.create(member(key="k"), name="kitchen")

    assert again["uuid"] == first["uuid"]
    assert len(core.events("board.created")) == 1
    with core.database.read() as connection:
        found = code_store.find(connection, commands._digest(again["code"]))
    assert found is not None
    assert found.board == first["uuid"]


@pytest.mark.parametrize("name", ["", "a b", "..", "x" * 256, CHOSEN])
def test_bad_name(core: Core, commands: BoardCommands, name: str) -> None:
    """A name that would need quoting, or looks like a uuid, is refused by its field."""
    with pytest.raises(errors.BadRequest) as told:
        commands.create(member(), name=name)

    assert told.value.details == {"field": "name"}


def test_update(core: Core, commands: BoardCommands) -> None:
    """What is given is changed, labels whole; the rest stays."""
    made = commands.create(member(), name="kitchen", labels={"a": "1"}, type="pi")

    commands.update(member(), board="kitchen", values={"name": "cellar", "labels": {"b": "2"}})

    board = read(core, made["uuid"])
    assert (board.name, board.labels, board.type) == ("cellar", {"b": "2"}, "pi")
    assert core.audited()[-1] == ("board.update", "success", "")


@pytest.mark.parametrize("field", ["status", "public_key", "project", "uuid", "agent"])
def test_update_of_what_is_not_the_users(core: Core, commands: BoardCommands, field: str) -> None:
    """What follows from what the board does cannot be set."""
    commands.create(member(), name="kitchen")

    with pytest.raises(errors.BadRequest) as told:
        commands.update(member(), board="kitchen", values={field: "x"})

    assert told.value.details == {"field": field}


CALLS = {
    "update": {"values": {"type": "x"}},
    "delete": {},
    "new_code": {},
}


@pytest.mark.parametrize("method", sorted(CALLS))
def test_other_projects_board(core: Core, commands: BoardCommands, method: str) -> None:
    """Another project's board is not there, by uuid as by name."""
    uuid = core.make_board("kitchen")
    before = read(core, uuid)

    with pytest.raises(BoardNotFound):
        getattr(commands, method)(member(OTHER_PROJECT), board=uuid, **CALLS[method])
    with pytest.raises(BoardNotFound):
        getattr(commands, method)(member(OTHER_PROJECT), board="kitchen", **CALLS[method])

    assert read(core, uuid) == before


def test_delete(core: Core, commands: BoardCommands) -> None:
    """With a board go its codes and open operations, and its session is closed."""
    uuid = core.make_board("kitchen")
    core.boards.answer = fail_with(errors.BoardLost())
    part = core.commands["request"].accept(member(), order_of(uuid))
    core.commands["request"]._pool.shutdown(wait=True)

    commands.delete(member(), board="kitchen")

    ended = core.operation(part.uuid)
    assert ended is not None
    assert ended.cause is not None
    assert (ended.state, ended.cause["code"]) == ("lost", "board_deleted")
    assert ("board.DevicePing", "lost", "board_deleted") in core.audited()
    assert [entry["body"]["state"] for entry in core.events("operation.finished")] == ["lost"]
    assert [ended.uuid for ended in core.hooked] == [part.uuid]
    assert code_row(core, uuid) is None
    assert ("remove", {"board": uuid, "reason": "deleted"}) in core.boards.told
    with pytest.raises(BoardNotFound):
        read(core, uuid)


def order_of(uuid: str) -> Order:
    """Return an order to a board."""
    return Order(
        board=uuid,
        agent="a",
        board_project=PROJECT,
        action="DevicePing",
        procedure="device.ping",
        timeout_s=5.0,
    )


def test_resume(core: Core, commands: BoardCommands) -> None:
    """What a restart left queued is sent again; a deleted board's is passed over."""
    uuid = core.make_board("kitchen")
    requests = core.commands["request"]
    requests.send_queued = lambda part, agent: sent.append((part.board, agent))
    sent: list[tuple[str, str | None]] = []
    gone = "eeeeeeee-eeee-4eee-8eee-eeeeeeeeeeee"
    requests.accept(member(), order_of(gone))
    requests.accept(member(), order_of(uuid))
    sent.clear()

    commands.resume()

    assert [board for board, _ in sent] == [uuid]


REPORTS: dict[str, dict[str, Any]] = {
    "wamp_agent_up": {"agent": "a", "url": "ws://x"},
    "directory": {},
    "find_code": {"digest": "0" * 64},
    "enrolled": {"row": 1, "public_key": "0" * 64},
    "presence": {"agent": "a", "changes": []},
    "joined": {"board": CHOSEN, "session": 1, "join": {}},
    "report": {"board": CHOSEN, "report": {}},
    "operations": {"board": CHOSEN, "operations": {}},
    "results": {"board": CHOSEN, "results": {}},
    "refusals": {"entries": []},
    "create_local": {"name": "x"},
}


@pytest.mark.parametrize("method", sorted(REPORTS))
def test_reports_are_the_clouds(commands: BoardCommands, method: str) -> None:
    """No user, not even an administrator, may call what wamp agents report by."""
    admin: Context = replace(member(), roles=("admin",))

    with pytest.raises(errors.Forbidden):
        getattr(commands, method)(admin, **REPORTS[method])
