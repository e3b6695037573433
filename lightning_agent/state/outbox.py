"""The reactor's side of the journal: what is known, what the cloud must still confirm.

Changes that arrive while the disk is busy are written together in its next
transaction. Orders without an effect are gathered for :data:`GATHER_S` first:
their record may be lost with the power, since repeating them does no harm.

Reactor thread only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from lightning_agent.errors import StorageFailed
from lightning_agent.protocol.messages import OperationAnswer, OperationCall, OperationRecord
from lightning_agent.state.disk import Disk
from lightning_agent.state.journal import Change, Confirmed, Done, Journal, Received

LOG = logging.getLogger(__name__)

GATHER_S = 0.25
"""How long records of orders without an effect wait for company."""
MANY = 1000
"""Each time so many more are unconfirmed, ``on_many`` is called."""
MAX_GATHERED = 256
"""So many are written at once without waiting longer."""


class Outbox:
    """What was carried out, until the cloud has confirmed it.

    :param reactor: gives time and timers
    """

    def __init__(self, reactor: Any, disk: Disk, journal: Journal) -> None:
        self._reactor = reactor
        self._disk = disk
        self._journal = journal
        self._known: set[str] = set()
        self._unconfirmed: dict[str, float] = {}
        self._gathered: dict[str, Done] = {}
        self._changes: list[tuple[Change, Deferred[None]]] = []
        self._timer: Any = None
        self.on_many: Callable[[], None] = lambda: None
        """Called when the cloud should be told of ends now."""
        self._writing = False
        self._idle: list[Deferred[None]] = []
        for operation, confirmed in journal.list_known():
            self._known.add(operation)
            if not confirmed:
                self._unconfirmed[operation] = float("-inf")
        self.unfinished: list[Received] = journal.list_unfinished()
        """Orders that an earlier agent received and did not end."""
        for received in self.unfinished:
            self._unconfirmed.pop(received.call.operation, None)

    def is_known(self, operation: str) -> bool:
        """Say whether an operation was received here before."""
        return operation in self._known

    async def find_answer(self, operation: str) -> OperationAnswer | None:
        """Return how an operation ended, ``None`` when unknown or not done."""
        gathered = self._gathered.get(operation)
        if gathered is not None:
            return gathered.answer
        return await self._disk.run(lambda: self._journal.find_answer(operation))

    async def receive(self, procedure: str, call: OperationCall) -> None:
        """Write down that an order with an effect begins; durable on return.

        :raises StorageFailed: it could not be written, so the order must not begin
        """
        self._known.add(call.operation)
        try:
            await self._write(Received(procedure=procedure, call=call))
        except StorageFailed:
            self._known.discard(call.operation)
            raise

    async def finish(
        self,
        procedure: str,
        call: OperationCall,
        answer: OperationAnswer,
        *,
        unheard: bool = False,
    ) -> None:
        """Write down how an order with an effect ended; durable on return.

        :param unheard: nobody waits for this answer: the cloud is told soon
        :raises StorageFailed: it could not be written
        """
        self._note_end(call.operation)
        await self._write(Done(procedure=procedure, call=call, answer=answer, effect=True))
        if unheard and call.operation in self._unconfirmed:
            self._unconfirmed[call.operation] = float("-inf")
            self.on_many()

    def finish_later(self, procedure: str, call: OperationCall, answer: OperationAnswer) -> None:
        """Write down, soon, how an order without an effect ended."""
        self._known.add(call.operation)
        self._note_end(call.operation)
        self._gathered[call.operation] = Done(
            procedure=procedure, call=call, answer=answer, effect=False
        )
        if len(self._gathered) >= MAX_GATHERED:
            self._start_writing()
        elif self._timer is None:
            self._timer = self._reactor.callLater(GATHER_S, self._start_writing)

    def has_many(self) -> bool:
        """Say whether more than :data:`MANY` are unconfirmed."""
        return len(self._unconfirmed) >= MANY

    def list_unconfirmed(self, *, older_than_s: float = 0.0, limit: int = 10_000) -> list[str]:
        """Return operations the cloud has not confirmed, the oldest first."""
        before = self._reactor.seconds() - older_than_s
        found = [name for name, ended in self._unconfirmed.items() if ended <= before]
        return found[:limit]

    async def confirm(self, operations: list[str]) -> None:
        """Note that the cloud has recorded these ends."""
        ours = tuple(name for name in operations if name in self._unconfirmed)
        if ours:
            await self.flush()
            await self._write(Confirmed(operations=ours))
            for operation in ours:
                self._unconfirmed.pop(operation, None)

    def forget(self, operations: list[str]) -> None:
        """Stop offering these to the cloud: their records are gone."""
        for operation in operations:
            self._unconfirmed.pop(operation, None)

    async def list_records(self, operations: list[str]) -> list[OperationRecord]:
        """Return the records of these operations; unknown ones are left out."""
        await self.flush()
        return await self._disk.run(lambda: self._journal.list_records(operations))

    async def flush(self) -> None:
        """Write what is gathered; on return it is durable, or was logged as lost."""
        self._start_writing()
        if self._writing:
            idle: Deferred[None] = Deferred()
            self._idle.append(idle)
            await idle

    async def _write(self, change: Change) -> None:
        written: Deferred[None] = Deferred()
        self._changes.append((change, written))
        self._start_writing()
        await written

    def _start_writing(self) -> None:
        if self._timer is not None:
            if self._timer.active():
                self._timer.cancel()
            self._timer = None
        if not self._writing:
            self._writing = True
            Deferred.fromCoroutine(self._write_all())

    async def _write_all(self) -> None:
        while self._changes or self._gathered:
            gathered = list(self._gathered.items())
            changes, self._changes = self._changes, []
            batch: list[Change] = [done for _, done in gathered]
            batch += [change for change, _ in changes]
            outcome: StorageFailed | None = None
            try:
                dropped = await self._disk.run(lambda batch=batch: self._journal.apply(batch))  # type: ignore[misc]
                self._drop(dropped)
            except StorageFailed as error:
                LOG.error("%d operations were not written down: %s", len(batch), error)
                outcome = error
            for operation, done in gathered:
                if self._gathered.get(operation) is done:
                    del self._gathered[operation]
            for _, written in changes:
                if outcome is None:
                    written.callback(None)
                else:
                    written.errback(outcome)
        self._writing = False
        idle, self._idle = self._idle, []
        for waiting in idle:
            waiting.callback(None)

    def _note_end(self, operation: str) -> None:
        self._unconfirmed[operation] = self._reactor.seconds()
        if len(self._unconfirmed) % MANY == 0:
            self.on_many()

    def _drop(self, operations: list[str]) -> None:
        for operation in operations:
            self._known.discard(operation)
            self._unconfirmed.pop(operation, None)
