"""How operations end: one way for every end, whoever tells it.

By the answer to the call, by the board's journal, by the expiry, by being
cancelled, by the deletion of the board. Each ends with an audit row, an event
and the action's hook in the one transaction that writes the end.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from iotronic_mec import errors, metrics, pruning
from iotronic_mec.context import Context, system_context
from iotronic_mec.feature import Parts
from iotronic_mec.features.request import store
from iotronic_mec.features.request.model import (
    Operation,
    ended_as,
    overdue_end,
    reported,
    request_of,
)
from iotronic_mec.operation import OPEN
from lightning_agent.protocol.messages import OperationAnswer, OperationCall

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOG = logging.getLogger(__name__)

GRACE = timedelta(seconds=60)
"""How long after its deadline an operation may still be reported by the board
that carried it out (it reports every 30 s), before it is ended here."""

MAX_CODE = 64
"""Most characters of a cause's code in the audit and in events."""

MAX_UNKNOWN_PER_MINUTE = 1000
"""Most operations nobody here knows that are recorded for one board in a
minute. Only a crash between a board's answer and our commit makes such ones, a
handful; a board that tells more tells tales."""


class RequestEnds:
    """The ends of orders.

    :param parts: what commands are built from
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._unknown: dict[str, int] = {}
        self._unknown_minute = 0

    def end(self, context: Context, ended: Operation) -> bool:
        """Record the end of an operation; ``False`` when it had ended before."""
        if ended.state in OPEN:
            return False
        return self._parts.database.write(
            lambda connection: self.end_in(connection, context, ended)
        )

    def end_in(self, connection: Connection, context: Context, ended: Operation) -> bool:
        """Record the end of an operation inside the caller's transaction.

        :param ended: in a terminal state
        :returns: ``False`` when it had ended before
        """
        now = self._parts.clock.now()
        first = store.finish(connection, ended.uuid, ended.state, ended.message, ended.cause, now)
        if first:
            self._tell(connection, context, ended)
        return first

    def record_reported(
        self, context: Context, board: str, call: OperationCall, answer: OperationAnswer
    ) -> bool:
        """Record what a board's journal says of an operation.

        An operation that is not known (its recorder died before the commit) is
        stored whole, with the board as its source; one that is open is ended;
        one that has ended stays. One of an action the cloud does not have is
        left out.

        :returns: whether it is settled; ``False``: the board may tell it later
        """
        now = self._parts.clock.now()
        with self._parts.database.read() as connection:
            known = store.find_operation(connection, call.operation)
        if known is not None:
            if known.board == board:
                self.end(context, ended_as(known, answer, now))
            return True
        if call.action not in self._parts.actions:
            LOG.warning("board %s reports an action there is not", board)
            return True
        if not self._count_unknown(board):
            return False
        ended = ended_as(reported(board, call, now), answer, now)
        if ended.state not in OPEN:
            self._record_ended(context, ended, source=board)
        return True

    def expire(self) -> int:
        """End what is past its deadline and the grace; return how many."""
        before = self._parts.clock.now() - GRACE
        with self._parts.database.read() as connection:
            late = store.list_overdue(connection, before)
        for part in late:
            state, told = overdue_end(part)
            LOG.warning("operation %s on board %s ends as %s", part.uuid, part.board, state)
            now = self._parts.clock.now()
            ended = replace(part, state=state, cause=told, finished_at=now)
            try:
                self.end(system_context(), ended)
            except errors.Error as error:
                # the others must not wait for this one
                LOG.warning("operation %s could not be ended: %s", part.uuid, error.message)
        return len(late)

    def prune(self) -> int:
        """Delete requests older than the retention, with what hangs on them.

        :returns: how many; those that have not ended stay
        """
        keep_s = self._parts.settings.request_retention_s
        if keep_s <= 0:
            return 0
        before = self._parts.clock.now() - timedelta(seconds=keep_s)
        return pruning.run(
            self._parts.database, lambda connection, limit: store.prune(connection, before, limit)
        )

    def _record_ended(self, context: Context, ended: Operation, source: str | None = None) -> None:
        """Store an order with its end: request, operation, audit, event, one commit.

        When the board's journal and its answer arrive together, whoever comes
        second finds it stored.

        :param source: the board, when nothing but its word says that this was
            ever ordered
        """
        told = replace(request_of(ended), state=ended.state, pending=0, cause=ended.cause)

        def change(connection: Connection) -> None:
            store.insert_order(connection, told, ended)
            self._tell(connection, context, ended, source)

        try:
            self._parts.database.write(change)
        except errors.Conflict:
            with self._parts.database.read() as connection:
                if store.find_operation(connection, ended.uuid) is None:
                    raise

    def _tell(
        self,
        connection: Connection,
        context: Context,
        ended: Operation,
        source: str | None = None,
    ) -> None:
        """Audit, event and hook of an end, in its transaction."""
        # after the commit: a transaction that met a deadlock is run once more
        self._parts.database.when_kept(lambda: metrics.OPERATIONS.add(ended.state))
        # the cause may be the board's: it must not keep its operation from ending
        code = str((ended.cause or {}).get("code", ""))[:MAX_CODE]
        details = {"request": ended.request, "operation": ended.uuid}
        if source is not None:
            # who ordered it is the board's word only
            context = replace(context, user=source, user_name="board", project=ended.project)
            details |= {"source": "board", "said_user": ended.user}
        self._parts.audit(
            connection,
            context.acting_in(ended.project),
            f"board.{ended.action}",
            "board",
            ended.board,
            outcome=ended.state,
            reason=code,
            details=details,
        )
        self._parts.emit(
            connection,
            ended.project,
            "operation.finished",
            ended.board,
            {
                "operation": ended.uuid,
                "request": ended.request,
                "action": ended.action,
                "state": ended.state,
                "code": code,
            },
        )
        hook = self._parts.on_finished.get(ended.action)
        if hook is not None:
            hook(self._parts, connection, ended)

    def _count_unknown(self, board: str) -> bool:
        """Count an unknown operation; say whether the board may report it now."""
        minute = int(self._parts.clock.monotonic() // 60)
        if minute != self._unknown_minute:
            self._unknown_minute, self._unknown = minute, {}
        count = self._unknown[board] = self._unknown.get(board, 0) + 1
        if count == MAX_UNKNOWN_PER_MINUTE + 1:
            LOG.warning("board %s reports more unknown operations than are taken", board)
        return count <= MAX_UNKNOWN_PER_MINUTE
