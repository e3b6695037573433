"""Ends that come by other ways than the answer, and orders nobody waits for."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event

from iotronic_mec import errors, pruning
from iotronic_mec.context import system_context
from iotronic_mec.features.request import store
from iotronic_mec.features.request.commands import RequestCommands
from iotronic_mec.features.request.model import Operation, Order, RequestNotFound, request_of
from iotronic_mec.features.request.reports import GRACE
from iotronic_mec.ids import new_uuid
from iotronic_mec.operation import DISPATCHED, MACHINE, OPEN, QUEUED, TERMINAL
from lightning_agent.protocol.messages import OperationAnswer, OperationCall
from tests.fakes.boards import fail_with, lose_answer
from tests.fakes.parts import AGENT, OTHER_PROJECT, PROJECT, Core, member

BOARD = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
OTHER_BOARD = "cccccccc-cccc-4ccc-8ccc-cccccccccccc"
ECHO = Order(
    board=BOARD,
    agent=AGENT,
    board_project=PROJECT,
    action="DeviceEcho",
    procedure="device.echo",
    timeout_s=5.0,
    record_first=True,
)


@pytest.fixture
def requests(core: Core) -> RequestCommands:
    """Give the request feature's commands."""
    made = core.commands["request"]
    assert isinstance(made, RequestCommands)
    return made


@pytest.fixture
def lost(core: Core, requests: RequestCommands) -> Operation:
    """Give an open operation: the board has carried it out, its answer was lost."""
    core.boards.answer = lose_answer(errors.BoardLost(), "said")
    with pytest.raises(errors.BoardLost):
        requests.run(member(), ECHO)
    (left,) = core.operations()
    return left


def stored(core: Core, state: str) -> Operation:
    """Write an operation in a state."""
    now = core.clock.now()
    part = Operation(
        uuid=new_uuid(),
        request=new_uuid(),
        project=PROJECT,
        user="u",
        board=BOARD,
        action="DeviceEcho",
        procedure="device.echo",
        state=state,
        created_at=now,
        deadline_at=now,
    )
    core.database.write(lambda c: store.insert_order(c, request_of(part), part))
    return part


# -- the journal -------------------------------------------------------------------


def test_journal_ends_an_open_one(core: Core, requests: RequestCommands, lost: Operation) -> None:
    """What the board's journal says ends an operation whose answer was lost."""
    record = core.boards.journal[lost.uuid]

    requests.record_reported(system_context(), BOARD, record.call, record.answer)

    ended = core.operation(lost.uuid)
    assert ended is not None
    assert (ended.state, ended.message) == ("succeeded", "said")
    assert len(core.hooked) == 1


def test_journal_changes_no_end(core: Core, requests: RequestCommands, lost: Operation) -> None:
    """An operation that has ended stays, whatever a journal says later."""
    record = core.boards.journal[lost.uuid]
    requests.record_reported(system_context(), BOARD, record.call, record.answer)
    failed = OperationAnswer(operation=lost.uuid, state="failed")

    requests.record_reported(system_context(), BOARD, record.call, failed)

    ended = core.operation(lost.uuid)
    assert ended is not None
    assert ended.state == "succeeded"
    assert len(core.events()) == 1


def test_journal_of_another_board(core: Core, requests: RequestCommands, lost: Operation) -> None:
    """A board cannot end another board's operation."""
    record = core.boards.journal[lost.uuid]

    requests.record_reported(system_context(), OTHER_BOARD, record.call, record.answer)

    left = core.operation(lost.uuid)
    assert left is not None
    assert left.state in OPEN


def unknown_call(project: str = PROJECT) -> OperationCall:
    """Return an order nobody recorded."""
    return OperationCall(
        operation=new_uuid(),
        request=new_uuid(),
        action="PluginCall",
        project=project,
        user="u" * 100,
        remaining_s=1.0,
    )


def test_journal_of_an_unknown_one(core: Core, requests: RequestCommands) -> None:
    """An operation nobody recorded is stored whole, once, its texts cut to size."""
    call = unknown_call()
    answer = OperationAnswer(operation=call.operation, state="succeeded", message=[1, 2])

    requests.record_reported(system_context(), BOARD, call, answer)
    requests.record_reported(system_context(), BOARD, call, answer)

    (only,) = core.operations()
    assert (only.state, only.message, only.board) == ("succeeded", [1, 2], BOARD)
    assert (only.action, len(only.user)) == ("PluginCall", 64)
    assert len(core.events()) == 1


def test_journal_that_is_not_done(core: Core, requests: RequestCommands) -> None:
    """An unknown operation the board still works on is not stored yet."""
    call = unknown_call()
    answer = OperationAnswer(operation=call.operation, state="running")

    requests.record_reported(system_context(), BOARD, call, answer)

    assert core.operations() == []


# -- the expiry --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "end", "code"),
    [
        ("queued", "timed_out", "not_sent"),
        ("dispatched", "lost", "no_report"),
        ("running", "lost", "no_report"),
    ],
)
def test_expiry(core: Core, requests: RequestCommands, state: str, end: str, code: str) -> None:
    """Past its deadline and the grace every open operation is ended, and told."""
    part = stored(core, state)
    core.clock.advance(GRACE.total_seconds() + 1)

    count = requests.expire()

    ended = core.operation(part.uuid)
    assert ended is not None
    assert ended.cause is not None
    assert (count, ended.state, ended.cause["code"]) == (1, end, code)
    assert core.audited() == [("board.DeviceEcho", end, code)]
    assert requests.expire() == 0


def test_expiry_waits_for_the_grace(core: Core, requests: RequestCommands) -> None:
    """Within the grace an open operation is left to the board's report."""
    part = stored(core, DISPATCHED)
    core.clock.advance(GRACE.total_seconds())

    count = requests.expire()

    left = core.operation(part.uuid)
    assert left is not None
    assert (count, left.state) == (0, DISPATCHED)


def test_one_that_cannot_end_keeps_no_other(core: Core, requests: RequestCommands) -> None:
    """An operation whose hook fails does not keep later ones from their end."""
    poison, sound = stored(core, DISPATCHED), stored(core, DISPATCHED)
    core.clock.advance(GRACE.total_seconds() + 1)

    def refuse(_parts: object, _connection: object, ended: Operation) -> None:
        if ended.uuid == poison.uuid:
            raise errors.Conflict("planted")

    requests._parts = replace(core.parts, on_finished={"DeviceEcho": refuse})

    requests.expire()

    ended = core.operation(sound.uuid)
    assert ended is not None
    assert ended.state == "lost"


# -- the state machine in the database ----------------------------------------------

MOVES = st.lists(st.sampled_from(sorted(MACHINE.meaning)), max_size=8)


@given(moves=MOVES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_moves(core: Core, moves: list[str]) -> None:
    """Whatever is tried, an operation moves as the machine says and never leaves an end."""
    part = stored(core, QUEUED)
    now = core.clock.now()
    expected = QUEUED

    def attempt(state: str) -> bool:
        if state in OPEN:
            return core.database.write(lambda c: store.move(c, part.uuid, state, now))
        return core.database.write(lambda c: store.finish(c, part.uuid, state, None, None, now))

    for state in moves:
        may = state in MACHINE.moves[expected]
        assert attempt(state) is may
        expected = state if may else expected

    kept = core.operation(part.uuid)
    assert kept is not None
    assert kept.state == expected
    with core.database.read() as connection:
        order = store.get_request(connection, PROJECT, part.request)
    assert (order.state, order.pending) == (expected, 0 if expected in TERMINAL else 1)


def test_one_end_of_many(core: Core) -> None:
    """Of many threads that end one operation exactly one is told that it did."""
    part = stored(core, DISPATCHED)
    ends = sorted(TERMINAL) * 4
    together = threading.Barrier(len(ends))

    def end(state: str) -> bool:
        together.wait(5)
        return core.database.write(
            lambda c: store.finish(c, part.uuid, state, state, None, core.clock.now())
        )

    with ThreadPoolExecutor(len(ends)) as pool:
        won = [state for state, first in zip(ends, pool.map(end, ends), strict=True) if first]

    kept = core.operation(part.uuid)
    assert kept is not None
    assert len(won) == 1
    assert (kept.state, kept.message) == (won[0], won[0])


# -- orders nobody waits for ---------------------------------------------------------


def finish_pool(requests: RequestCommands) -> None:
    """Wait for what the pool was given."""
    requests._pool.shutdown(wait=True)


def test_accept(core: Core, requests: RequestCommands) -> None:
    """An accepted order is queued at once, then sent by the pool and ended."""
    part = requests.accept(member(), ECHO)

    finish_pool(requests)
    ended = core.operation(part.uuid)
    assert ended is not None
    assert (part.state, ended.state) == (QUEUED, "succeeded")
    assert [outcome for _, outcome, _ in core.audited()] == ["accepted", "succeeded"]


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (errors.BoardOffline(), "rejected"),
        (errors.RouterUnavailable(), "rejected"),
        (errors.BoardTimeout(), "timed_out"),
        (errors.BoardLost(), "dispatched"),
    ],
)
def test_accepted_ends(
    core: Core, requests: RequestCommands, error: errors.Error, state: str
) -> None:
    """An accepted order that cannot be carried out ends too; a lost one stays open."""
    core.boards.answer = fail_with(error)

    part = requests.accept(member(), ECHO)

    finish_pool(requests)
    ended = core.operation(part.uuid)
    assert ended is not None
    assert ended.state == state


def test_sent_once(core: Core, requests: RequestCommands) -> None:
    """A queued operation given to the pool twice is sent to the board once."""
    part = stored(core, QUEUED)
    part = replace(part, deadline_at=part.deadline_at + GRACE)

    requests.send_queued(part, AGENT)
    requests.send_queued(part, AGENT)

    finish_pool(requests)
    assert len(core.boards.calls) == 1


def test_too_late_to_send(core: Core, requests: RequestCommands) -> None:
    """An order whose deadline passed in the queue ends unsent."""
    part = stored(core, QUEUED)
    core.clock.advance(1)

    requests.send_queued(part, AGENT)

    finish_pool(requests)
    ended = core.operation(part.uuid)
    assert ended is not None
    assert ended.state == "timed_out"
    assert core.boards.calls == []


def test_accept_repeated(core: Core, requests: RequestCommands) -> None:
    """The same Idempotency-Key finds the accepted order and sends nothing."""
    first = requests.accept(member(key="k"), ECHO)

    again = requests.accept(member(key="k"), ECHO)

    finish_pool(requests)
    assert again.uuid == first.uuid
    assert len(core.boards.calls) == 1


# -- cancelling ----------------------------------------------------------------------


def test_cancel(core: Core, requests: RequestCommands) -> None:
    """A queued request can be cancelled; the pool then does not send it."""
    part = stored(core, QUEUED)

    requests.cancel(member(), part.request)
    requests.send_queued(replace(part, deadline_at=part.deadline_at + GRACE), AGENT)

    finish_pool(requests)
    ended = core.operation(part.uuid)
    assert ended is not None
    assert ended.state == "cancelled"
    assert core.boards.calls == []


def test_cancel_is_an_end_like_any_other(core: Core, requests: RequestCommands) -> None:
    """A cancelled operation has its event, its audit row and its hook."""
    part = stored(core, QUEUED)

    requests.cancel(member(), part.request)

    assert [entry["body"]["state"] for entry in core.events("operation.finished")] == ["cancelled"]
    assert (f"board.{part.action}", "cancelled", "cancelled") in core.audited()
    assert core.audited("request.cancel") == [("request.cancel", "success", "")]
    assert [ended.uuid for ended in core.hooked] == [part.uuid]


@pytest.mark.parametrize("state", sorted({*MACHINE.meaning} - {QUEUED}))
def test_cancel_too_late(core: Core, requests: RequestCommands, state: str) -> None:
    """A request that was sent or has ended cannot be cancelled."""
    part = stored(core, state)

    with pytest.raises(errors.Conflict):
        requests.cancel(member(), part.request)


def test_cancel_of_another_project(core: Core, requests: RequestCommands) -> None:
    """Another project's request is not there."""
    part = stored(core, QUEUED)

    with pytest.raises(RequestNotFound):
        requests.cancel(member(OTHER_PROJECT), part.request)


def test_queued_are_found_by_index(core: Core) -> None:
    """Looking for queued and overdue operations never reads the whole table."""
    asked: list[tuple[str, tuple[object, ...]]] = []

    def note(_c: object, _k: object, text: str, values: tuple[object, ...], *_: object) -> None:
        asked.append((text, values))

    event.listen(core.database._reader, "before_cursor_execute", note)
    with core.database.read() as connection:
        store.list_queued(connection)
        store.list_overdue(connection, core.clock.now())
        store.list_open(connection, BOARD)
        store.count_open(connection, PROJECT)
    event.remove(core.database._reader, "before_cursor_execute", note)

    assert len(asked) >= 3
    with core.database.read() as connection:
        for text, values in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).all()
            assert not [step for step in plan if step[3].startswith("SCAN")], text


# -- retention -----------------------------------------------------------------------


def test_old_requests_are_pruned(core: Core, requests: RequestCommands) -> None:
    """After the retention what has ended goes, with its operations; the open stay."""
    ended, waiting = stored(core, "succeeded"), stored(core, QUEUED)
    core.clock.advance(core.parts.settings.request_retention_s + 1)
    recent = stored(core, "failed")

    gone = requests.prune()

    assert gone == 1
    assert {part.uuid for part in core.operations()} == {waiting.uuid, recent.uuid}
    assert core.operation(ended.uuid) is None


def test_pruning_takes_batches(
    core: Core, requests: RequestCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No transaction deletes more than a batch; all that is old goes."""
    made = [stored(core, "succeeded") for _ in range(5)]
    core.clock.advance(core.parts.settings.request_retention_s + 1)
    asked: list[int] = []
    prune = store.prune

    def noted(connection: Connection, before: datetime, limit: int) -> int:
        asked.append(limit)
        return prune(connection, before, 2)

    monkeypatch.setattr(pruning, "BATCH", 2)
    monkeypatch.setattr(store, "prune", noted)

    assert requests.prune() == len(made)
    assert asked == [2, 2, 2]


def test_retention_of_nothing(core: Core, requests: RequestCommands) -> None:
    """With 0 seconds nothing is ever deleted."""
    stored(core, "succeeded")
    requests._parts = replace(
        core.parts, settings=replace(core.parts.settings, request_retention_s=0.0)
    )
    core.clock.advance(1e9)

    assert requests.prune() == 0
