"""What the board tells the cloud by itself while a session lasts.

First the join report, whose answer is the desired state; then, every so many
seconds, the operations the cloud has not confirmed; and, when something
happened, a report of the plugins. A report the cloud does not take is repeated
in the same session; the board can be given orders meanwhile.

Reactor thread only.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any

import msgpack
from twisted.internet.defer import CancelledError, Deferred

from lightning_agent.errors import Error
from lightning_agent.protocol import names
from lightning_agent.protocol.errors import WireError
from lightning_agent.protocol.messages import (
    Join,
    Joined,
    OperationList,
    OperationRecord,
    OperationVerdict,
    Report,
    Results,
)
from lightning_agent.session.cloud import Cloud
from lightning_agent.state.outbox import Outbox
from lightning_agent.waiting import in_background, sleep

LOG = logging.getLogger(__name__)

MIN_AGE_S = 5.0
"""Younger operations are confirmed by their own answer, most likely."""
MAX_LISTED = 1000
"""Operations in one question to the cloud."""
MAX_PIECE_BYTES = 256 * 1024
"""Records sent at once; a larger single record goes alone."""
SETTLE_S = 0.2
"""Changes of plugins within this time are told together."""
AGAIN_S = (1.0, 30.0)
"""First and longest wait before a report is repeated."""
MIN_HEARTBEAT_S = 1.0
MAX_HEARTBEAT_S = 3600.0


class Heartbeat:
    """The reports of one board.

    :param join: makes the join report
    :param report: makes the report of plugins
    :param adopt: takes the cloud's answer to the join report
    """

    def __init__(
        self,
        reactor: Any,
        *,
        board: str,
        cloud: Cloud,
        outbox: Outbox,
        randomness: random.Random,
        join: Callable[[], Awaitable[Join]],
        report: Callable[[], Awaitable[Report]],
        adopt: Callable[[Joined], Awaitable[None]],
    ) -> None:
        self._reactor = reactor
        self._board = board
        self._cloud = cloud
        self._outbox = outbox
        self._random = randomness
        self._join = join
        self._report = report
        self._adopt = adopt
        self._task: Deferred[None] | None = None
        self._pause: Deferred[None] | None = None
        self._changed = False
        self._joined = False
        self._period_s = 30.0

    def start(self) -> None:
        """Begin for a new session."""
        self.stop()
        self._joined = False
        self._task = in_background(self._run(), f"board {self._board}: reporting")

    def stop(self) -> None:
        """End with the session."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    def changed(self) -> None:
        """Plugins started, ended, came or went: tell the cloud soon."""
        self._changed = True
        self._wake()

    def hurry(self) -> None:
        """Ask about operations now: many are unconfirmed."""
        self._wake()

    def rejoin(self) -> None:
        """Ask the cloud anew what it wants, e.g. for fresh tokens."""
        self._joined = False
        self._wake()

    async def _run(self) -> None:
        wait_s = AGAIN_S[0]
        while True:
            try:
                await self._one_round()
            except (Error, WireError) as error:
                LOG.warning(
                    "board %s: the cloud did not take a report (%s); again in %.1f s",
                    self._board,
                    error,
                    wait_s,
                )
                await self._sleep(wait_s * self._random.uniform(0.7, 1.0))
                wait_s = min(wait_s * 2, AGAIN_S[1])
                continue
            wait_s = AGAIN_S[0]
            if not self._is_due():
                crowded = self._outbox.has_many()
                await self._sleep(min(self._period_s, MIN_AGE_S) if crowded else self._period_s)
            if self._is_due():
                await self._sleep(SETTLE_S)

    def _is_due(self) -> bool:
        return self._changed or not self._joined

    async def _one_round(self) -> None:
        if not self._joined:
            await self._tell_join()
        elif self._changed:
            self._changed = False
            try:
                await self._cloud.tell(names.REPORT, await self._report())
            except (Error, WireError):
                self._changed = True
                raise
        while await self._tell_operations():
            LOG.debug("board %s: more operations are unconfirmed", self._board)

    async def _tell_join(self) -> None:
        self._changed = False
        joined = await self._cloud.call(names.JOIN, await self._join(), Joined)
        self._joined = True
        self._period_s = min(max(joined.heartbeat_s, MIN_HEARTBEAT_S), MAX_HEARTBEAT_S)
        await self._adopt(joined)

    async def _tell_operations(self) -> bool:
        """Ask about the oldest; return whether there may be more to ask about at once."""
        listed = self._outbox.list_unconfirmed(older_than_s=MIN_AGE_S, limit=MAX_LISTED)
        if not listed:
            return False
        verdict = await self._cloud.call(
            names.OPERATIONS, OperationList(operations=listed), OperationVerdict
        )
        await self._outbox.confirm(verdict.known)
        asked = set(listed)
        wanted = [operation for operation in verdict.wanted if operation in asked]
        records = await self._outbox.list_records(wanted)
        self._outbox.forget(list(set(wanted) - {record.call.operation for record in records}))
        for piece in pieces(records):
            taken = await self._cloud.call(names.RESULTS, Results(records=piece), OperationVerdict)
            await self._outbox.confirm(taken.known)
        return len(listed) == MAX_LISTED and bool(verdict.known)

    async def _sleep(self, seconds: float) -> None:
        self._pause = sleep(self._reactor, seconds)
        try:
            await self._pause
        except CancelledError:
            if self._task is None:
                raise
        finally:
            self._pause = None

    def _wake(self) -> None:
        if self._pause is not None:
            self._pause.cancel()


def pieces(records: list[OperationRecord]) -> list[list[OperationRecord]]:
    """Cut records into lists of at most 256 KiB; a larger record is a list of its own."""
    cut: list[list[OperationRecord]] = []
    size = MAX_PIECE_BYTES
    for record in records:
        packed = len(msgpack.packb(record.to_wire(), use_bin_type=True))
        if size + packed > MAX_PIECE_BYTES:
            cut.append([])
            size = 0
        cut[-1].append(record)
        size += packed
    return cut
