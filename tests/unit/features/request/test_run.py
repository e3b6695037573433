"""Orders that are waited for: every way a call to a board can end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from iotronic_mec import errors, metrics
from iotronic_mec.context import system_context
from iotronic_mec.features import request
from iotronic_mec.features.quota.access import Quotas
from iotronic_mec.features.quota.model import QuotaExceeded
from iotronic_mec.features.request.commands import RequestCommands
from iotronic_mec.features.request.model import (
    OperationFailed,
    OperationRejected,
    OperationTimedOut,
    Order,
)
from iotronic_mec.operation import OPEN, TERMINAL
from lightning_agent.protocol.messages import OperationAnswer, OperationCall
from tests.fakes.boards import Answering, end_as, fail_with, lose_answer, succeed
from tests.fakes.parts import AGENT, PROJECT, Core, member

BOARD = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
ECHO = Order(
    board=BOARD,
    agent=AGENT,
    board_project=PROJECT,
    action="DeviceEcho",
    procedure="device.echo",
    parameters={"say": "hi"},
    timeout_s=5.0,
)
BUSY_BOARD = errors.RemoteError({"code": "iotronic.error.busy", "message": "all slots taken"})

# what the board or the way to it does → state, error of the caller, code of the cause
ENDS: list[tuple[Answering, str, type[errors.Error], str]] = [
    (end_as("failed"), "failed", OperationFailed, "plugin_failed"),
    (end_as("rejected", "busy"), "rejected", errors.Busy, "busy"),
    (end_as("rejected", "sandbox_refused"), "rejected", OperationRejected, "sandbox_refused"),
    (end_as("timed_out", "plugin_timeout"), "timed_out", OperationTimedOut, "plugin_timeout"),
    (end_as("cancelled", "stopped"), "cancelled", errors.BoardLost, "stopped"),
    (fail_with(errors.BoardTimeout()), "timed_out", OperationTimedOut, "iot.board.timeout"),
    (fail_with(errors.Busy()), "rejected", errors.Busy, "iot.busy"),
    (fail_with(errors.TooLarge()), "rejected", errors.TooLarge, "iot.request.too_large"),
    (fail_with(errors.BoardRefused()), "rejected", OperationRejected, "iot.board.refused"),
    (fail_with(BUSY_BOARD), "rejected", errors.Busy, "iotronic.error.busy"),
]
OPEN_ENDS: list[Answering] = [
    fail_with(errors.BoardLost()),
    fail_with(errors.Unavailable()),
    lose_answer(errors.BoardLost()),
]
NOT_SENT: list[errors.Error] = [errors.BoardOffline(), errors.RouterUnavailable()]
BAD_ANSWERS: list[Any] = [
    {},
    {"operation": "x", "state": "succeeded"},
    {"operation": BOARD, "state": "succeeded"},
    {"operation": BOARD, "state": "wonderful"},
]


def running(call: OperationCall) -> OperationAnswer:
    """Answer that the work is not done yet."""
    return OperationAnswer(operation=call.operation, state="running")


FIRST = pytest.mark.parametrize("first", [True, False], ids=["stored-first", "stored-after"])


@pytest.fixture
def requests(core: Core) -> RequestCommands:
    """Give the request feature's commands."""
    made = core.commands["request"]
    assert isinstance(made, RequestCommands)
    return made


@FIRST
def test_success(core: Core, requests: RequestCommands, first: bool) -> None:
    """A succeeded order returns its message and is stored with audit, event and hook."""
    core.boards.answer = succeed("hi @ noon")

    ended = requests.run(member(), replace(ECHO, record_first=first))

    stored = core.operation(ended.uuid)
    assert stored is not None
    assert (ended.message, stored.state, stored.message) == ("hi @ noon", "succeeded", "hi @ noon")
    assert core.audited()[-1] == ("board.DeviceEcho", "succeeded", "")
    assert len(core.audited()) == 1 + first
    assert [entry["body"]["state"] for entry in core.events()] == ["succeeded"]
    assert [part.uuid for part in core.hooked] == [ended.uuid]


@FIRST
@pytest.mark.parametrize(("answer", "state", "kind", "code"), ENDS)
def test_every_end(
    core: Core,
    requests: RequestCommands,
    first: bool,
    answer: Answering,
    state: str,
    kind: type[errors.Error],
    code: str,
) -> None:
    """Whatever the board says, the operation ends so and the caller is told why."""
    core.boards.answer = answer

    with pytest.raises(errors.Error) as told:
        requests.run(member(), replace(ECHO, record_first=first))

    (stored,) = core.operations()
    assert type(told.value) is kind
    assert (stored.state, stored.cause and stored.cause["code"]) == (state, code)
    assert core.audited()[-1] == ("board.DeviceEcho", state, code)
    assert [entry["body"]["state"] for entry in core.events()] == [state]
    assert len(core.hooked) == 1


@FIRST
@pytest.mark.parametrize("wire", BAD_ANSWERS)
def test_bad_answer(core: Core, requests: RequestCommands, first: bool, wire: Any) -> None:
    """An answer that is no message, or another operation's, ends the order as failed."""
    core.boards.wire = wire

    with pytest.raises(OperationFailed) as told:
        requests.run(member(), replace(ECHO, record_first=first))

    (stored,) = core.operations()
    assert stored.state == "failed"
    assert told.value.details["cause"]["code"] == "bad_answer"


@FIRST
@pytest.mark.parametrize("message", [b"bytes", {"inside": {1: 2}}, [object()]])
def test_answer_that_is_no_json(
    core: Core, requests: RequestCommands, first: bool, message: Any
) -> None:
    """A result that could not be stored ends the order as failed, not as our error."""
    core.boards.answer = succeed(message)

    with pytest.raises(OperationFailed):
        requests.run(member(), replace(ECHO, record_first=first))

    (stored,) = core.operations()
    assert stored.cause is not None
    assert stored.cause["code"] == "bad_answer"


@pytest.mark.parametrize("error", NOT_SENT)
def test_not_sent_is_not_stored(
    core: Core, requests: RequestCommands, error: errors.Error
) -> None:
    """An order that changes nothing and was not sent leaves no trace."""
    core.boards.answer = fail_with(error)

    with pytest.raises(type(error)):
        requests.run(member(), ECHO)

    assert core.operations() == []


@pytest.mark.parametrize("error", NOT_SENT)
def test_not_sent_ends_rejected(
    core: Core, requests: RequestCommands, error: errors.Error
) -> None:
    """An order that was stored first and could not be sent ends as rejected."""
    core.boards.answer = fail_with(error)

    with pytest.raises(type(error)):
        requests.run(member(), replace(ECHO, record_first=True))

    (stored,) = core.operations()
    assert stored.state == "rejected"
    assert len(core.hooked) == 1


@pytest.mark.parametrize("answer", OPEN_ENDS)
def test_lost_after_store(core: Core, requests: RequestCommands, answer: Answering) -> None:
    """When the link breaks, a stored order stays open for the board's report."""
    core.boards.answer = answer

    with pytest.raises(errors.BoardLost):
        requests.run(member(), replace(ECHO, record_first=True))

    (stored,) = core.operations()
    assert stored.state in OPEN
    assert core.hooked == []


@pytest.mark.parametrize("answer", OPEN_ENDS)
def test_lost_without_store(core: Core, requests: RequestCommands, answer: Answering) -> None:
    """When the link breaks, an order that changes nothing ends as lost."""
    core.boards.answer = answer

    with pytest.raises(errors.BoardLost):
        requests.run(member(), ECHO)

    (stored,) = core.operations()
    assert stored.state == "lost"


@FIRST
def test_still_running(core: Core, requests: RequestCommands, first: bool) -> None:
    """A board that says it is not done yet leaves the order open, with no end told."""
    core.boards.answer = running

    with pytest.raises(errors.BoardLost):
        requests.run(member(), replace(ECHO, record_first=first))

    (stored,) = core.operations()
    assert stored.state in OPEN
    assert (core.events(), core.hooked) == ([], [])


@pytest.mark.parametrize("answer", [*OPEN_ENDS, running])
def test_what_was_sent_is_kept_over_the_quota(
    core: Core, requests: RequestCommands, answer: Answering
) -> None:
    """The quota refuses an order before it is sent, and never the record of one that was."""
    core.boards.answer = answer
    full = replace(core.parts, quota=Quotas(request.FEATURE.quotas, {"requests": 0}))
    requests._parts = full

    with pytest.raises(QuotaExceeded):
        requests.run(member(), replace(ECHO, record_first=True))
    assert core.operations() == []
    with pytest.raises(QuotaExceeded):
        requests.accept(member(), ECHO)
    assert core.operations() == []

    with pytest.raises(errors.BoardLost):
        requests.run(member(), ECHO)
    assert len(core.operations()) == 1


def test_no_time_left(core: Core, requests: RequestCommands) -> None:
    """A stored order whose caller has no time left ends at once and is not sent."""
    late = member(seconds=-1.0)

    with pytest.raises(OperationTimedOut):
        requests.run(late, replace(ECHO, record_first=True))

    (stored,) = core.operations()
    assert stored.state == "timed_out"
    assert core.boards.calls == []


def test_what_cannot_be_sent_ends(core: Core, requests: RequestCommands) -> None:
    """An order whose parameters vanish before it is sent ends as rejected."""
    order = replace(
        ECHO, action="PluginInject", procedure="plugin.inject", parameters={"plugin": BOARD}
    )

    with pytest.raises(OperationRejected):
        requests.run(member(), replace(order, record_first=True))

    (stored,) = core.operations()
    assert stored.state == "rejected"


def test_board_gets_the_remaining_time(core: Core, requests: RequestCommands) -> None:
    """A board is never given more time than its caller has."""
    requests.run(member(seconds=2.0), replace(ECHO, timeout_s=50.0))

    ((_, procedure, call),) = core.boards.calls
    assert procedure == "device.echo"
    assert 0 < call.remaining_s <= 2.0


def test_long_cause_does_not_keep_it_open(core: Core, requests: RequestCommands) -> None:
    """A cause longer than an event may be ends the operation all the same."""
    core.boards.answer = end_as("failed", code="x" * 50_000)

    with pytest.raises(OperationFailed):
        requests.run(member(), ECHO)

    (stored,) = core.operations()
    assert stored.state == "failed"


@FIRST
def test_failing_hook_keeps_nothing(core: Core, requests: RequestCommands, first: bool) -> None:
    """Result, audit, event and hook are one transaction: when one fails, none is kept."""

    def refuse(*_: object) -> None:
        raise errors.Conflict("planted")

    requests._parts = replace(core.parts, on_finished={"DeviceEcho": refuse})
    counted = metrics.OPERATIONS.read("succeeded")

    with pytest.raises(errors.Conflict):
        requests.run(member(), replace(ECHO, record_first=first))

    assert metrics.OPERATIONS.read("succeeded") == counted
    assert [part.state for part in core.operations()] == ["dispatched"] * first
    assert [outcome for _, outcome, _ in core.audited()] == ["accepted"] * first
    assert core.events() == []


@FIRST
def test_ends_are_counted_once(core: Core, requests: RequestCommands, first: bool) -> None:
    """The metric counts an end when it is kept, not when it is told again."""
    counted = metrics.OPERATIONS.read("succeeded")

    ended = requests.run(member(), replace(ECHO, record_first=first))
    again = requests.end(member(), ended)

    assert again is False
    assert metrics.OPERATIONS.read("succeeded") == counted + 1


def test_before_is_in_the_transaction(core: Core, requests: RequestCommands) -> None:
    """What an order prepares is kept or dropped with the order."""

    def refuse(_: object) -> None:
        raise errors.Conflict("planted")

    with pytest.raises(errors.Conflict):
        requests.run(member(), replace(ECHO, record_first=True), refuse)

    assert core.operations() == []
    assert core.boards.calls == []


@FIRST
def test_repetition_returns_the_first_success(
    core: Core, requests: RequestCommands, first: bool
) -> None:
    """The same Idempotency-Key gives the first outcome and does not call the board."""
    order = replace(ECHO, record_first=first)
    before = requests.run(member(key="k"), order)
    core.boards.answer = succeed("another")

    again = requests.run(member(key="k"), order)

    assert (again.uuid, again.message) == (before.uuid, before.message)
    assert len(core.boards.calls) == 1


def test_repetition_returns_the_first_failure(core: Core, requests: RequestCommands) -> None:
    """The same Idempotency-Key gives the first failure too."""
    core.boards.answer = end_as("failed")
    with pytest.raises(OperationFailed) as before:
        requests.run(member(key="k"), ECHO)
    core.boards.answer = succeed()

    with pytest.raises(OperationFailed) as again:
        requests.run(member(key="k"), ECHO)

    assert again.value.details == before.value.details


def test_repetition_of_an_open_one_is_busy(core: Core, requests: RequestCommands) -> None:
    """While the first order has no end, its repetition is told to come back."""
    core.boards.answer = fail_with(errors.BoardLost())
    with pytest.raises(errors.BoardLost):
        requests.run(member(key="k"), replace(ECHO, record_first=True))

    with pytest.raises(errors.IdempotencyBusy):
        requests.run(member(key="k"), replace(ECHO, record_first=True))

    assert len(core.boards.calls) == 1


def test_keys_of_projects_do_not_meet(core: Core, requests: RequestCommands) -> None:
    """The same key of another project is another order."""
    other = "22222222-2222-4222-8222-222222222222"
    first = requests.run(member(key="k"), ECHO)

    second = requests.run(member(other, key="k"), replace(ECHO, board_project=other))

    assert first.uuid != second.uuid
    assert len(core.boards.calls) == 2


def test_journal_first(core: Core, requests: RequestCommands) -> None:
    """When the board's journal is recorded before its answer, the caller gets the answer."""

    def report_at_once(call: Any) -> OperationAnswer:
        answer = succeed("said")(call)
        requests.record_reported(system_context(), BOARD, call, answer)
        return answer

    core.boards.answer = report_at_once

    ended = requests.run(member(), ECHO)

    assert ended.message == "said"
    assert [part.state for part in core.operations()] == ["succeeded"]
    assert len(core.events()) == 1


def test_every_end_is_terminal_or_open() -> None:
    """The states of the tests above are those of the machine."""
    assert {state for _, state, _, _ in ENDS} < TERMINAL
