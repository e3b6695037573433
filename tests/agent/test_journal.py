"""The journal: at most once, whatever dies when."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock as FakeReactor

from lightning_agent.clock import Clock
from lightning_agent.errors import PluginFailed, StorageFailed
from lightning_agent.modules.base import Procedure
from lightning_agent.protocol.messages import OperationAnswer, OperationCall
from lightning_agent.session.dispatch import Dispatcher
from lightning_agent.state.disk import DirectDisk
from lightning_agent.state.journal import Confirmed, Done, Journal, Received, open_journal
from lightning_agent.state.outbox import Outbox
from tests.agent.stand_ins import an_order, begin, result_of

BOARD = "11111111-2222-3333-4444-555555555555"


def done(call: OperationCall, *, effect: bool = True, message: Any = "m") -> Done:
    """Return that an order ended."""
    answer = OperationAnswer(operation=call.operation, state="succeeded", message=message)
    return Done(procedure="thing.do", call=call, answer=answer, effect=effect)


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    """Give an empty journal with small bounds."""
    with contextlib.closing(
        Journal(tmp_path / "journal.sqlite", max_rows=20, max_bytes=100_000)
    ) as opened:
        yield opened


def test_done_order_is_found(journal: Journal) -> None:
    """What ended is found by its operation, with its order."""
    call = an_order()
    journal.apply([Received(procedure="thing.do", call=call), done(call)])

    found = journal.list_records([call.operation])

    assert [record.call for record in found] == [call]
    assert journal.find_answer(call.operation) == found[0].answer


def test_received_order_is_unfinished(tmp_path: Path) -> None:
    """What was begun and not ended is listed at the next start."""
    call = an_order()
    path = tmp_path / "journal.sqlite"
    first = Journal(path)
    first.apply([Received(procedure="thing.do", call=call)])
    first.close()

    with contextlib.closing(Journal(path)) as second:
        assert second.list_unfinished() == [Received(procedure="thing.do", call=call)]


def test_confirmed_are_dropped_first(journal: Journal) -> None:
    """Over the bound the confirmed go, though they are not the oldest."""
    old = [an_order() for _ in range(10)]
    confirmed = [an_order() for _ in range(10)]
    journal.apply([done(call) for call in [*old, *confirmed]])
    journal.apply([Confirmed(operations=tuple(call.operation for call in confirmed))])

    dropped = journal.apply([done(an_order())])

    assert dropped == [call.operation for call in confirmed[:3]]


def test_orders_without_effect_are_dropped_before_those_with(journal: Journal) -> None:
    """Of the unconfirmed those go first that do no harm when repeated."""
    effects = [an_order() for _ in range(10)]
    looks = [an_order() for _ in range(11)]

    dropped = journal.apply(
        [*(done(call) for call in effects), *(done(call, effect=False) for call in looks)]
    )

    assert dropped == [call.operation for call in looks[:3]]


def test_bytes_are_bounded(journal: Journal) -> None:
    """Large results make the journal forget earlier."""
    calls = [an_order() for _ in range(5)]

    dropped = journal.apply([done(call, message="x" * 30_000) for call in calls])

    assert dropped == [call.operation for call in calls[:3]]


def test_unfinished_orders_are_never_dropped(journal: Journal) -> None:
    """What is begun stays, however full the journal is."""
    calls = [an_order() for _ in range(30)]

    dropped = journal.apply([Received(procedure="thing.do", call=call) for call in calls])

    assert dropped == []
    assert len(journal.list_unfinished()) == 30


def test_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    """Another file in its place is named, not overwritten."""
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"something else" * 1000)

    with pytest.raises(StorageFailed, match=r"journal\.sqlite"):
        Journal(path)


def test_damaged_journal_is_put_aside(tmp_path: Path) -> None:
    """A broken file does not keep the board away: it is kept beside, a new one begun."""
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"something else" * 1000)

    with contextlib.closing(open_journal(path)) as opened:
        assert opened.list_known() == []

    assert (tmp_path / "journal.sqlite.damaged").read_bytes().startswith(b"something")


class TestOutbox:
    """The reactor's side."""

    @pytest.fixture
    def reactor(self) -> FakeReactor:
        """Give a clock."""
        return FakeReactor()

    @pytest.fixture
    def outbox(self, reactor: FakeReactor, journal: Journal) -> Outbox:
        """Give an outbox on the empty journal."""
        return Outbox(reactor, DirectDisk(), journal)

    def test_records_without_effect_are_gathered(
        self, reactor: FakeReactor, outbox: Outbox, journal: Journal
    ) -> None:
        """Orders without an effect are written together, after their answers."""
        calls = [an_order() for _ in range(3)]
        for call in calls:
            outbox.finish_later("thing.look", call, done(call).answer)
        before = journal.list_known()

        reactor.advance(1)

        assert before == []
        assert len(journal.list_known()) == 3

    def test_gathered_answer_is_found(self, outbox: Outbox) -> None:
        """An answer that is not written yet is known all the same."""
        call = an_order()
        outbox.finish_later("thing.look", call, done(call).answer)

        assert result_of(outbox.find_answer(call.operation)) == done(call).answer

    def test_only_old_unconfirmed_are_listed(self, reactor: FakeReactor, outbox: Outbox) -> None:
        """What has just been answered is not asked about yet."""
        old, young = an_order(), an_order()
        result_of(outbox.finish("thing.do", old, done(old).answer))
        reactor.advance(6)
        result_of(outbox.finish("thing.do", young, done(young).answer))

        assert outbox.list_unconfirmed(older_than_s=5) == [old.operation]

    def test_confirmed_are_not_listed_again(
        self, reactor: FakeReactor, outbox: Outbox, journal: Journal
    ) -> None:
        """What the cloud has is asked about no more, also after a restart."""
        call = an_order()
        result_of(outbox.finish("thing.do", call, done(call).answer))
        result_of(outbox.confirm([call.operation, "unknown"]))

        restarted = Outbox(reactor, DirectDisk(), journal)

        assert outbox.list_unconfirmed() == []
        assert restarted.list_unconfirmed() == []
        assert restarted.is_known(call.operation)

    def test_changes_wait_for_the_disk_together(
        self, reactor: FakeReactor, journal: Journal
    ) -> None:
        """While the disk is busy changes gather for one transaction."""
        disk = SlowDisk()
        outbox = Outbox(reactor, disk, journal)
        calls = [an_order() for _ in range(5)]
        waiting = [begin(outbox.receive("thing.do", call)) for call in calls]

        disk.finish()
        disk.finish()

        assert all(one.called for one in waiting)
        assert disk.runs == 2


class SlowDisk:
    """Runs a function when the test says so."""

    def __init__(self) -> None:
        self.runs = 0
        self._gate: Deferred[None] = Deferred()

    async def run(self, function: Any) -> Any:
        """Wait for the test, then run."""
        self.runs += 1
        await self._gate
        return function()

    def finish(self) -> None:
        """Let what waits go on."""
        gate, self._gate = self._gate, Deferred()
        gate.callback(None)

    def stop(self) -> None:
        """Nothing is queued."""


class Dying(RuleBasedStateMachine):
    """Orders, repeated orders and crashes at any point between two writes."""

    @initialize()
    def begin_with_nothing(self) -> None:
        """Start on an empty journal."""
        self.folder = tempfile.TemporaryDirectory()
        self.effects: dict[str, int] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        self.calls = [an_order(remaining_s=1e6) for _ in range(4)]
        self.gates: list[Deferred[str]] = []
        self.waiting: list[tuple[str, Deferred[Any]]] = []
        self.start()

    def start(self) -> None:
        """Build the parts on what is on disk."""
        self.reactor = FakeReactor()
        self.journal = Journal(Path(self.folder.name) / "j", max_rows=1000)
        self.disk = SlowDisk()
        self.outbox = Outbox(self.reactor, self.disk, self.journal)
        self.dispatcher = Dispatcher(
            self.reactor,
            board=BOARD,
            clock=Clock(),
            outbox=self.outbox,
            procedures=[],
            state=None,  # type: ignore[arg-type]
        )
        self.settled = False

    async def effect(self, call: OperationCall) -> str:
        """Have an effect, then wait for the test."""
        self.effects[call.operation] = self.effects.get(call.operation, 0) + 1
        gate: Deferred[str] = Deferred()
        self.gates.append(gate)
        return await gate

    @rule(which=st.integers(0, 3))
    def order(self, which: int) -> None:
        """Give an order, perhaps again."""
        call = self.calls[which]
        procedure = Procedure(name="thing.do", effect=True, run=self.effect)
        self.waiting.append((call.operation, begin(self.dispatcher.carry_out(procedure, call))))

    @rule()
    def end_an_effect(self) -> None:
        """Let the oldest effect end."""
        if self.gates:
            self.gates.pop(0).callback("done")

    @rule()
    def finish_a_write(self) -> None:
        """Let the disk finish what it writes."""
        self.disk.finish()

    @rule()
    def settle(self) -> None:
        """Settle what an earlier agent left."""
        if not self.settled:
            self.settled = True
            begin(self.dispatcher.settle(self.recover))

    async def recover(self, name: str, call: OperationCall) -> str:
        """Never know."""
        raise PluginFailed("restarted")

    @rule()
    def crash(self) -> None:
        """Die with whatever is not on disk."""
        self.collect()
        self.waiting = []
        self.gates = []
        self.journal.close()
        self.start()

    def collect(self) -> None:
        """Compare all answers given so far."""
        for operation, waiting in self.waiting:
            answer = getattr(waiting, "result", None)
            if answer is not None:
                assert self.answers.setdefault(operation, answer) == answer

    @invariant()
    def each_effect_happened_at_most_once(self) -> None:
        """No operation ran twice, and all its answers are the same."""
        if hasattr(self, "effects"):
            assert all(count == 1 for count in self.effects.values())
            self.collect()

    def teardown(self) -> None:
        """Remove the files."""
        if hasattr(self, "journal"):
            self.journal.close()
            self.folder.cleanup()


TestDying = Dying.TestCase
TestDying.settings = settings(max_examples=12, stateful_step_count=20, deadline=None)
