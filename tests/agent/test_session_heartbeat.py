"""What the board tells by itself, and how it is repeated."""

from __future__ import annotations

import random
import uuid
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock as FakeReactor

from lightning_agent.protocol import names
from lightning_agent.protocol.errors import NotReady
from lightning_agent.protocol.messages import (
    Join,
    Joined,
    Message,
    OperationAnswer,
    OperationRecord,
    OperationVerdict,
    Report,
)
from lightning_agent.session.cloud import CloudAway
from lightning_agent.session.heartbeat import MAX_PIECE_BYTES, Heartbeat, pieces
from lightning_agent.state.disk import DirectDisk
from lightning_agent.state.journal import Journal
from lightning_agent.state.outbox import Outbox
from tests.agent.stand_ins import an_order, result_of


class FakeCloud:
    """Answers as told and remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Message]] = []
        self.failing: list[Exception] = []
        self.wanted: list[str] = []
        self.known: list[str] = []
        self.confirming = False

    @property
    def procedures(self) -> list[str]:
        """The procedures called so far."""
        return [procedure for procedure, _ in self.told]

    async def call(self, procedure: str, message: Message, answer: type[Message]) -> Any:
        """Answer."""
        await self.tell(procedure, message)
        if answer is Joined:
            return Joined(board=str(uuid.uuid4()), name="b", retry_window_s=1, heartbeat_s=10)
        known = message.operations if self.confirming else self.known  # type: ignore[attr-defined]
        return OperationVerdict(known=known, wanted=self.wanted)

    async def tell(self, procedure: str, message: Message) -> None:
        """Take it, or fail as told."""
        self.told.append((procedure, message))
        if self.failing:
            raise self.failing.pop(0)


class Bench:
    """A heartbeat with a clock and an empty journal."""

    def __init__(self, folder: Path) -> None:
        self.reactor = FakeReactor()
        self.cloud = FakeCloud()
        self.journal = Journal(folder / "j")
        self.outbox = Outbox(self.reactor, DirectDisk(), self.journal)
        self.adopted = 0
        cloud: Any = self.cloud
        self.heartbeat = Heartbeat(
            self.reactor,
            board="b",
            cloud=cloud,
            outbox=self.outbox,
            randomness=random.Random(1),
            join=self._join,
            report=self._report,
            adopt=self._adopt,
        )

    def carry_out(self) -> str:
        """Have an operation carried out; return its uuid."""
        call = an_order()
        answer = OperationAnswer(operation=call.operation, state="succeeded")
        result_of(self.outbox.finish("thing.do", call, answer))
        return call.operation

    async def _join(self) -> Join:
        return Join(protocol=1, agent_version="1")

    async def _report(self) -> Report:
        return Report()

    async def _adopt(self, joined: Joined) -> None:
        self.adopted += 1


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Give a heartbeat that has begun."""
    bench = Bench(tmp_path)
    bench.heartbeat.start()
    return bench


def test_join_report_comes_first_and_once(bench: Bench) -> None:
    """A session begins with the join report; its answer is adopted."""
    bench.reactor.advance(100)

    assert bench.cloud.procedures == [names.JOIN]
    assert bench.adopted == 1


@pytest.mark.parametrize("error", [NotReady("starting"), CloudAway("no answer")])
def test_refused_join_is_repeated(tmp_path: Path, error: Exception) -> None:
    """A cloud that is not ready is asked again in the same session."""
    bench = Bench(tmp_path)
    bench.cloud.failing = [error, error]
    bench.heartbeat.start()

    bench.reactor.pump([1, 2])

    assert bench.cloud.procedures == [names.JOIN] * 3
    assert bench.adopted == 1


def test_changes_within_a_moment_are_one_report(bench: Bench) -> None:
    """Plugins that change together are told together, soon."""
    bench.heartbeat.changed()
    bench.heartbeat.changed()

    bench.reactor.advance(0.3)

    assert bench.cloud.procedures == [names.JOIN, names.REPORT]


def test_refused_report_is_repeated(bench: Bench) -> None:
    """A change that the cloud did not take is told again."""
    bench.cloud.failing = [NotReady("busy")]
    bench.heartbeat.changed()

    bench.reactor.pump([0.3, 1])

    assert bench.cloud.procedures == [names.JOIN, names.REPORT, names.REPORT]


def test_unconfirmed_operations_are_asked_about(bench: Bench) -> None:
    """Each heartbeat asks about what is older than 5 s; what is known is not asked again."""
    operation = bench.carry_out()
    bench.cloud.known = [operation]

    bench.reactor.pump([10, 10, 10])

    assert bench.cloud.procedures == [names.JOIN, names.OPERATIONS]
    assert bench.outbox.list_unconfirmed() == []


def test_wanted_operations_are_sent_whole(bench: Bench) -> None:
    """What the cloud does not know is sent with its order."""
    operation = bench.carry_out()
    bench.cloud.wanted = [operation, str(uuid.uuid4())]

    bench.reactor.advance(10)

    assert bench.cloud.procedures == [names.JOIN, names.OPERATIONS, names.RESULTS]
    (record,) = bench.cloud.told[-1][1].records  # type: ignore[attr-defined]
    assert record.call.operation == operation


def test_crowd_of_operations_is_asked_about_sooner(bench: Bench) -> None:
    """A thousand unconfirmed operations do not wait for the next heartbeat."""
    bench.outbox.on_many = bench.heartbeat.hurry
    bench.cloud.confirming = True
    bench.reactor.advance(1)
    for _ in range(1000):
        call = an_order()
        answer = OperationAnswer(operation=call.operation, state="succeeded")
        bench.outbox.finish_later("thing.look", call, answer)

    bench.reactor.pump([1] * 6)

    assert bench.cloud.procedures == [names.JOIN, names.OPERATIONS]
    assert not bench.outbox.has_many()


def test_rejoin_asks_anew(bench: Bench) -> None:
    """The desired state can be asked for again in the same session."""
    bench.heartbeat.rejoin()

    bench.reactor.advance(0.3)

    assert bench.adopted == 2


def test_end_of_the_session_ends_the_reports(bench: Bench) -> None:
    """Nothing is told and no timer runs without a session."""
    bench.heartbeat.stop()
    bench.heartbeat.changed()

    bench.reactor.advance(100)

    assert bench.cloud.procedures == [names.JOIN]
    assert not bench.reactor.getDelayedCalls()


@pytest.mark.parametrize(
    ("sizes", "lengths"),
    [([], []), ([10] * 5, [5]), ([200_000] * 3, [1, 1, 1]), ([900_000, 10, 10], [1, 2])],
)
def test_records_are_cut_into_pieces(sizes: list[int], lengths: list[int]) -> None:
    """A piece is at most 256 KiB; a larger record goes alone."""
    records = [
        OperationRecord(
            call=(call := an_order()),
            answer=OperationAnswer(
                operation=call.operation, state="succeeded", message="x" * size
            ),
        )
        for size in sizes
    ]

    cut = pieces(records)

    assert [len(piece) for piece in cut] == lengths
    assert [record for piece in cut for record in piece] == records
    assert MAX_PIECE_BYTES == 262_144
