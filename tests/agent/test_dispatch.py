"""Orders: found, bounded, carried out once, answered."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock as FakeReactor

from lightning_agent.clock import Clock
from lightning_agent.errors import Busy, PluginFailed, PluginTimeout
from lightning_agent.modules.base import Procedure
from lightning_agent.protocol.errors import BadMessage
from lightning_agent.protocol.messages import AgentState, Join, OperationCall
from lightning_agent.session.dispatch import Dispatcher
from lightning_agent.state.disk import DirectDisk
from lightning_agent.state.journal import Journal
from lightning_agent.state.outbox import Outbox
from tests.agent.stand_ins import an_order, begin, result_of

BOARD = "11111111-2222-3333-4444-555555555555"


class Bench:
    """A dispatcher with one procedure with an effect and one without."""

    def __init__(self, folder: Path, concurrency: int = 2) -> None:
        self.reactor = FakeReactor()
        self.folder = folder
        self.concurrency = concurrency
        self.runs: list[str] = []
        self.work: Callable[[OperationCall], Awaitable[Any]] = self._answer
        self.start()

    def start(self) -> None:
        """Build all parts on what is on disk, as a start of the agent does."""
        self.journal = Journal(self.folder / "journal.sqlite")
        self.outbox = Outbox(self.reactor, DirectDisk(), self.journal)
        self.dispatcher = Dispatcher(
            self.reactor,
            board=BOARD,
            clock=Clock(),
            outbox=self.outbox,
            procedures=[
                Procedure(name="thing.do", effect=True, run=self._run),
                Procedure(name="thing.look", effect=False, run=self._run),
                Procedure(name="thing.long", effect=True, background=True, run=self._run),
            ],
            state=self._state,
            concurrency=self.concurrency,
        )

    def crash(self) -> None:
        """End as a killed agent does, then start again."""
        self.journal.close()
        self.start()

    async def ask(self, name: str, wire: Any) -> dict[str, Any]:
        """Invoke a procedure as the router does."""
        details = SimpleNamespace(procedure=f"iotronic.board.{BOARD}.{name}")
        return await self.dispatcher.handle(wire, details=details)

    async def order(self, name: str, call: OperationCall) -> dict[str, Any]:
        """Invoke with a good order."""
        return await self.ask(name, call.to_wire())

    async def _run(self, call: OperationCall) -> Any:
        self.runs.append(call.operation)
        return await self.work(call)

    async def _answer(self, call: OperationCall) -> Any:
        return "done"

    async def _state(self) -> AgentState:
        return AgentState(join=Join(protocol=1, agent_version="1"))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Give a dispatcher on an empty journal."""
    return Bench(tmp_path)


@pytest.mark.parametrize("name", ["thing.do", "thing.look"])
def test_result_is_answered(bench: Bench, name: str) -> None:
    """What the method returns is the answer's message."""
    call = an_order()

    answer = result_of(bench.order(name, call))

    assert (answer["operation"], answer["state"], answer["message"]) == (
        call.operation,
        "succeeded",
        "done",
    )
    assert answer["started_at"].endswith("Z")


@pytest.mark.parametrize("name", ["thing.do", "thing.look"])
def test_repeated_order_runs_once(bench: Bench, name: str) -> None:
    """The same operation again gives the same answer and does not run."""
    call = an_order()
    first = result_of(bench.order(name, call))

    second = result_of(bench.order(name, call))

    assert second == first
    assert bench.runs == [call.operation]


def test_repeated_order_waits_for_the_first(bench: Bench) -> None:
    """The same operation while it runs waits for the one outcome."""
    gate: Deferred[str] = Deferred()
    bench.work = lambda call: gate  # type: ignore[assignment, return-value]
    call = an_order()
    both = [begin(bench.order("thing.do", call)), begin(bench.order("thing.do", call))]

    gate.callback("late")

    assert [one.result["message"] for one in both] == ["late", "late"]
    assert len(bench.runs) == 1


def test_interrupted_caller_does_not_stop_the_order(bench: Bench) -> None:
    """When the router gives up waiting the order goes on and is recorded."""
    gate: Deferred[str] = Deferred()
    bench.work = lambda call: gate  # type: ignore[assignment, return-value]
    call = an_order()
    waiting = begin(bench.order("thing.do", call))

    waiting.cancel()
    gate.callback("late")

    answer = result_of(bench.order("thing.do", call))
    assert answer["message"] == "late"
    assert len(bench.runs) == 1


def test_too_many_orders_are_refused_as_busy(bench: Bench) -> None:
    """Over the limit an order is refused by WAMP error and may come again."""
    gate: Deferred[str] = Deferred()
    bench.work = lambda call: gate  # type: ignore[assignment, return-value]
    begin(bench.order("thing.do", an_order()))
    begin(bench.order("thing.look", an_order()))

    with pytest.raises(ApplicationError) as refusal:
        result_of(bench.order("thing.do", an_order()))

    assert refusal.value.error == "iotronic.error.busy"


def test_limit_is_given_back(bench: Bench) -> None:
    """Orders that ended make room, also those that broke."""
    bench.work = lambda call: 1 / 0  # type: ignore[assignment, return-value]
    for _ in range(5):
        result_of(bench.order("thing.do", an_order()))

    assert len(bench.runs) == 5


def test_deadline_ends_the_order(bench: Bench) -> None:
    """At the deadline the work is cancelled and the answer says so."""
    gate: Deferred[str] = Deferred()
    bench.work = lambda call: gate  # type: ignore[assignment, return-value]
    waiting = begin(bench.order("thing.do", an_order(remaining_s=3.0)))

    bench.reactor.advance(3.0)

    assert waiting.result["state"] == "timed_out"
    assert waiting.result["cause"]["code"] == "deadline"


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        (PluginFailed("no", details={"traceback": "t"}), "failed", "plugin_failed"),
        (PluginTimeout("late"), "timed_out", "plugin_timeout"),
        (Busy("full"), "rejected", "busy"),
    ],
)
def test_errors_of_the_work_are_answers(
    bench: Bench, error: Exception, state: str, code: str
) -> None:
    """What the work raises becomes state and cause, with its details."""

    async def fail(call: OperationCall) -> Any:
        raise error

    bench.work = fail

    answer = result_of(bench.order("thing.do", an_order()))

    assert (answer["state"], answer["cause"]["code"]) == (state, code)
    assert answer["cause"].get("traceback") == getattr(error, "details", {}).get("traceback")


def test_unexpected_error_is_logged_with_the_operation(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """A mistake of ours is logged and answered without its text."""

    async def fail(call: OperationCall) -> Any:
        raise RuntimeError("secret")

    bench.work = fail
    call = an_order()

    with caplog.at_level(logging.ERROR):
        answer = result_of(bench.order("thing.do", call))

    assert answer["cause"]["code"] == "internal"
    assert "secret" not in str(answer)
    assert call.operation in caplog.text


@pytest.mark.parametrize("value", ["x" * 1_100_000, ["y" * 600_000, "z" * 600_000]])
def test_oversize_result_is_never_sent(bench: Bench, value: Any) -> None:
    """A result over the limit becomes a failed answer: the router would drop the session."""

    async def much(call: OperationCall) -> Any:
        return value

    bench.work = much

    answer = result_of(bench.order("thing.do", an_order()))

    assert answer["cause"]["code"] == "result_too_large"


def test_result_that_is_no_message_is_a_failure(bench: Bench) -> None:
    """A result that cannot travel is answered as failed."""

    async def odd(call: OperationCall) -> Any:
        return object()

    bench.work = odd

    answer = result_of(bench.order("thing.do", an_order()))

    assert answer["state"] == "failed"


@pytest.mark.parametrize(
    ("name", "wire", "uri"),
    [
        ("thing.dance", {}, "iotronic.error.no_such_procedure"),
        ("thing.do", None, "iotronic.error.bad_message"),
        ("thing.do", {"operation": "../x"}, "iotronic.error.bad_message"),
    ],
)
def test_what_is_no_order_is_a_wamp_error(bench: Bench, name: str, wire: Any, uri: str) -> None:
    """The order itself is refused by its own URI."""
    with pytest.raises(ApplicationError) as refusal:
        result_of(bench.ask(name, wire))

    assert refusal.value.error == uri
    assert not bench.runs


def test_ping(bench: Bench) -> None:
    """agent.ping gives the text back and leaves no trace in the journal."""
    answer = result_of(bench.ask("agent.ping", {"say": "hi"}))

    assert answer == {"say": "hi"}
    assert bench.outbox.list_unconfirmed() == []


@pytest.mark.parametrize(
    "wire", [None, [], {"say": 1}, {"say": "x" * 65_537}], ids=["none", "list", "number", "long"]
)
def test_ping_of_something_else(bench: Bench, wire: object) -> None:
    """Anything but a bounded text is refused."""
    with pytest.raises(ApplicationError) as refusal:
        result_of(bench.ask("agent.ping", wire))

    assert refusal.value.error == BadMessage.uri


def test_state_takes_no_order(bench: Bench) -> None:
    """agent.state answers with the join report."""
    answer = result_of(bench.ask("agent.state", {}))

    assert answer["join"]["protocol"] == 1


def test_order_that_was_begun_before_a_crash_is_settled_not_run(bench: Bench) -> None:
    """After a crash a repeated order gets the outcome that was found out."""
    gate: Deferred[str] = Deferred()
    bench.work = lambda call: gate  # type: ignore[assignment, return-value]
    call = an_order()
    begin(bench.order("thing.do", call))
    bench.crash()
    waiting = begin(bench.order("thing.do", call))

    async def recover(name: str, order: OperationCall) -> str:
        raise PluginFailed("restarted")

    result_of(bench.dispatcher.settle(recover))

    assert waiting.result["state"] == "failed"
    assert bench.runs == [call.operation]


def test_answered_order_is_known_after_a_crash(bench: Bench) -> None:
    """An effect is on disk before its answer leaves."""
    call = an_order()
    first = result_of(bench.order("thing.do", call))
    bench.crash()

    second = result_of(bench.order("thing.do", call))

    assert second == first
    assert bench.runs == [call.operation]


def test_order_that_cannot_be_written_down_is_not_begun(bench: Bench) -> None:
    """A full disk refuses effects, and leaves orders without one alone."""
    bench.journal.close()
    bench.journal._connection = _Broken()  # type: ignore[assignment]

    refused = result_of(bench.order("thing.do", an_order()))
    looked = result_of(bench.order("thing.look", an_order()))

    assert refused["cause"]["code"] == "storage_failed"
    assert looked["state"] == "succeeded"
    assert len(bench.runs) == 1


class _Broken:
    """A connection whose disk is full."""

    def __enter__(self) -> _Broken:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to roll back."""

    def execute(self, statement: str, *_: object) -> Any:
        """Fail as SQLite does, except for the count."""
        if statement.startswith("SELECT count"):
            return SimpleNamespace(fetchall=lambda: [(0, 0)])
        raise sqlite3.OperationalError("database or disk is full")


class TestBackground:
    """Work that outlasts the call: told at once that it runs, reported at its end."""

    def begun(self, bench: Bench) -> tuple[OperationCall, Deferred[str]]:
        """Begin such work."""
        gate: Deferred[str] = Deferred()
        bench.work = lambda call: gate  # type: ignore[assignment, return-value]
        return an_order(remaining_s=5.0), gate

    def test_the_caller_is_told_that_it_runs(self, bench: Bench) -> None:
        """Also when it asks again meanwhile; the call's time does not end the work."""
        call, gate = self.begun(bench)

        answers = [result_of(bench.order("thing.long", call))]
        bench.reactor.advance(60)
        answers.append(result_of(bench.order("thing.long", call)))
        unconfirmed = bench.outbox.list_unconfirmed()
        gate.callback("done")

        assert [answer["state"] for answer in answers] == ["running", "running"]
        assert unconfirmed == []
        assert bench.runs == [call.operation]

    def test_its_end_is_reported_at_once(self, bench: Bench) -> None:
        """The journal has it, and the cloud is told without waiting for its age."""
        called: list[bool] = []
        bench.outbox.on_many = lambda: called.append(True)
        call, gate = self.begun(bench)
        result_of(bench.order("thing.long", call))

        gate.callback("done")

        assert called == [True]
        assert bench.outbox.list_unconfirmed(older_than_s=5.0) == [call.operation]
        [record] = result_of(bench.outbox.list_records([call.operation]))
        assert (record.answer.state, record.answer.message) == ("succeeded", "done")
        assert result_of(bench.order("thing.long", call))["message"] == "done"

    def test_a_killed_agent_loses_nothing(self, bench: Bench) -> None:
        """The next agent finds the order unfinished and ends it."""
        call, _ = self.begun(bench)
        result_of(bench.order("thing.long", call))

        bench.crash()

        assert [each.call for each in bench.outbox.unfinished] == [call]
