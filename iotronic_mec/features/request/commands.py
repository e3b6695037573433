"""Having boards do things: record, send, wait, end, and never forget.

Orders come from other features as :class:`~…model.Order`. Two ways:

* ``run``: send and wait. An order that changes the board is stored first;
  one that does not is stored with its end in one commit, and the board's
  journal reports it should this process die in between.
* ``accept``: store as queued, answer at once, send from a pool.

Every operation ends, by one of the ways in
:class:`~iotronic_mec.features.request.reports.RequestEnds`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from iotronic_mec import errors
from iotronic_mec.context import Context, system_context
from iotronic_mec.feature import Parts
from iotronic_mec.features.request import store
from iotronic_mec.features.request.model import (
    FLEET_SENDERS,
    Operation,
    Order,
    Request,
    call_of,
    ended_as,
    failure_of,
    overdue_end,
    request_of,
    waiting,
    withdrawn,
)
from iotronic_mec.features.request.reports import RequestEnds
from iotronic_mec.operation import (
    CANCELLED,
    DISPATCHED,
    FAILED,
    LOST,
    OPEN,
    QUEUED,
    REJECTED,
    RUNNING,
    SUCCEEDED,
    TIMED_OUT,
    cause,
)
from iotronic_mec.rpc.expose import expose
from lightning_agent.protocol.errors import BadMessage
from lightning_agent.protocol.log_lines import asking, set_asking
from lightning_agent.protocol.messages import OperationAnswer

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOG = logging.getLogger(__name__)

SENDERS = 8
"""Threads that send queued orders."""

Before = Callable[["Connection"], None]
Make = Callable[["Connection"], Sequence[tuple[Operation, str | None]]]


class RequestCommands(RequestEnds):
    """Orders and their ends.

    :param parts: what commands are built from
    """

    namespace = "request"

    def __init__(self, parts: Parts, made: Mapping[str, Any]) -> None:
        del made  # there is no earlier feature this one calls
        super().__init__(parts)
        self._pool = ThreadPoolExecutor(SENDERS, thread_name_prefix="sender")
        self._fleet_pool = ThreadPoolExecutor(FLEET_SENDERS, thread_name_prefix="fleet-sender")
        self._sending: set[str] = set()

    # -- orders from other features ------------------------------------------------

    def repeat(self, context: Context, *, wait: bool) -> Operation | None:
        """Return what the first request with this Idempotency-Key made.

        To be asked before anything that may have changed since, such as
        whether the board is online: a repetition gets the first outcome.

        :returns: ``None`` for a first request
        :raises OperationFailed: that one failed (and the like), with ``wait``
        :raises errors.IdempotencyBusy: it has not ended, with ``wait``
        """
        if context.idempotency is None:
            return None
        with self._parts.database.read() as connection:
            found = store.find_operation(connection, context.new_uuid("operation"))
        if found is None or not wait:
            return found
        if found.state in OPEN:
            raise errors.IdempotencyBusy(details={"request": found.request})
        return self._outcome(found)

    def run(self, context: Context, order: Order, before: Before | None = None) -> Operation:
        """Have a board carry out an order and wait for its end.

        Blocks up to ``order.timeout_s`` and a margin.

        :param before: called in the transaction that stores the order first
        :returns: the operation, ended as succeeded
        :raises OperationFailed: the work went wrong; details hold the cause
        :raises OperationTimedOut: it was not finished in time
        :raises errors.BoardOffline: nothing was sent, the board has no session
        :raises errors.IdempotencyBusy: the first request with this key has not ended
        :raises errors.NotFound: a grant does not let it pass any more
        """
        repeated = self.repeat(context, wait=True)
        if repeated is not None:
            return repeated
        request, part = self._new(context, order, DISPATCHED)
        if order.record_first:
            self._store(context, request, part, self._charging(context, order, request, before))
            ended = self._send(context, order.agent, part)
            self._settle(context, ended)
        else:
            charge = self._charging(context, order, request, None)
            if charge is not None:
                self._parts.database.write(charge)
            ended = self._send(context, order.agent, part, offline_raises=True)
            if ended.state in OPEN:
                self._store(context, request_of(ended), ended, None)
            else:
                self._record_ended(context, ended)
        return self._outcome(ended)

    def accept(self, context: Context, order: Order, before: Before | None = None) -> Operation:
        """Store an order, have it sent by the pool, and return at once.

        :returns: the operation, queued (or further, for a repeated request)
        """
        repeated = self.repeat(context, wait=False)
        if repeated is not None:
            return repeated
        request, part = self._new(context, order, QUEUED)
        self._store(context, request, part, self._charging(context, order, request, before))
        self.send_queued(part, order.agent)
        return part

    def accept_many(
        self, context: Context, request: Request, make: Make, **details: object
    ) -> Request:
        """Store one order for many boards, have it sent, and return at once.

        :param request: of the kind :data:`~…model.FLEET`
        :param make: gives, in the transaction, an operation for each board and the board's
            wamp agent; those that are not queued have ended before they began
        :param details: what the audit tells of it besides
        :returns: the request as it is stored, also for a repeated one
        """
        queued: list[tuple[Operation, str | None]] = []

        def change(connection: Connection) -> Request:
            queued.clear()  # after a deadlock it runs once more
            known = store.find_request(connection, request.uuid)
            if known is not None:
                return known
            self._parts.quota.check(connection, request.project, "requests")
            made = make(connection)
            store.insert_order(connection, request, *(waiting(part) for part, _ in made))
            self._parts.audit(
                connection,
                context.acting_in(request.project),
                f"fleet.{request.action}",
                "fleet",
                request.board,
                outcome="accepted",
                details={"request": request.uuid, "boards": len(made), **details},
            )
            for part, _ in made:
                if part.state != QUEUED:
                    self.end_in(connection, context, part)
            queued.extend(pair for pair in made if pair[0].state == QUEUED)
            return store.get_request(connection, None, request.uuid)

        stored = self._parts.database.write(change)
        for part, agent in queued:
            self.send_queued(part, agent, fleet=True)
        return stored

    def send_queued(self, part: Operation, agent: str | None, *, fleet: bool = False) -> None:
        """Give a queued operation to a pool; also used after a restart."""
        if part.uuid in self._sending:
            return  # it waits for its turn already
        self._sending.add(part.uuid)
        pool = self._fleet_pool if fleet else self._pool
        sent = pool.submit(self._send_in_pool, part, agent, asking().request_id)
        sent.add_done_callback(partial(self._sent, part.uuid))

    def stop(self) -> None:
        """Let the pools end; what is still queued is sent at the next start."""
        for pool in (self._pool, self._fleet_pool):
            pool.shutdown(wait=False, cancel_futures=True)

    @expose
    def cancel(self, context: Context, uuid: str) -> None:
        """End what of a request has not been sent yet.

        :raises errors.Conflict: all of it was sent already, or has ended
        """
        project = None if context.is_admin else context.project
        now = self._parts.clock.now()

        def change(connection: Connection) -> None:
            request = store.get_request(connection, project, uuid)
            waiting = [
                part for part in store.list_results(connection, uuid) if part.state == QUEUED
            ]
            if not waiting:
                raise errors.Conflict(
                    f"request {uuid} is {request.state}: only what is queued can be cancelled"
                )
            told = cause("cancelled", "cancelled by its user")
            for part in waiting:
                ended = replace(part, state=CANCELLED, cause=told, finished_at=now)
                self.end_in(connection, context, ended)
            acting = context.acting_in(request.project)
            self._parts.audit(connection, acting, "request.cancel", "request", uuid)

        self._parts.database.write(change)

    def list_queued(self) -> list[Operation]:
        """Return what a restart left queued; the board feature sends it again."""
        with self._parts.database.read() as connection:
            return store.list_queued(connection)

    # -- inside --------------------------------------------------------------------

    def _new(self, context: Context, order: Order, state: str) -> tuple[Request, Operation]:
        now = self._parts.clock.now()
        part = Operation(
            uuid=context.new_uuid("operation"),
            request=context.new_uuid("request"),
            project=order.board_project,
            user=context.user,
            board=order.board,
            action=order.action,
            procedure=order.procedure,
            parameters=order.parameters,
            state=state,
            created_at=now,
            deadline_at=now + timedelta(seconds=order.life_s or order.timeout_s),
        )
        return request_of(part), part

    def _charging(
        self, context: Context, order: Order, request: Request, before: Before | None
    ) -> Before | None:
        """Return what counts the order's grants, then does ``before``."""
        if not order.lent:
            return before

        def charge(connection: Connection) -> None:
            for lent in order.lent:
                self._parts.access.charge(connection, context, lent, request.uuid)
            if before is not None:
                before(connection)

        return charge

    def _store(
        self, context: Context, request: Request, part: Operation, before: Before | None
    ) -> None:
        def change(connection: Connection) -> None:
            if before is not None:
                before(connection)
            if part.state in (QUEUED, DISPATCHED) and part.cause is None:
                # not what was sent before it is stored: that is never refused
                self._parts.quota.check(connection, request.project, "requests")
            store.insert_order(connection, request, part)
            self._parts.audit(
                connection,
                context.acting_in(part.project),
                f"board.{part.action}",
                "board",
                part.board,
                outcome="accepted",
                details={"request": request.uuid, "operation": part.uuid},
            )

        self._parts.database.write(change)

    def _send(
        self,
        context: Context,
        agent: str | None,
        part: Operation,
        *,
        offline_raises: bool = False,
    ) -> Operation:
        """Call the board; return the operation as it ended, or still open.

        After a lost link the operation stays open: the board's journal tells
        at its next join how it ended, and the expiry ends it otherwise.
        """
        now = self._parts.clock.now
        try:
            # inside, so that an order that cannot even be sent ends as well
            limit_s = (part.deadline_at - part.created_at).total_seconds()
            longest_s = self._parts.settings.board_call_timeout_s
            timeout_s = min(limit_s, context.remaining_s(), longest_s)
            message = self._message(part, timeout_s, context.request_id)
            wire = self._parts.boards.call(
                context, agent, part.board, part.procedure, message, timeout_s
            )
            return ended_as(part, OperationAnswer.from_wire(wire), now())
        except (errors.BoardOffline, errors.RouterUnavailable) as error:
            if offline_raises:
                raise
            told = cause(error.code, error.message)
            return replace(part, state=REJECTED, cause=told, finished_at=now())
        except (errors.BoardTimeout, errors.DeadlineExceeded) as error:
            told = cause(error.code, error.message)
            return replace(part, state=TIMED_OUT, cause=told, finished_at=now())
        except (errors.BoardLost, errors.Unavailable) as error:
            LOG.warning("operation %s on board %s: %s", part.uuid, part.board, error.message)
            told = cause(error.code, error.message)
            if offline_raises:
                return replace(part, state=LOST, cause=told, finished_at=now())
            return replace(part, cause=told)
        except BadMessage as error:
            told = cause("bad_answer", error.message)
            return replace(part, state=FAILED, cause=told, finished_at=now())
        except errors.Error as error:
            told = cause(error.to_wire()["code"], error.message)
            return replace(part, state=REJECTED, cause=told, finished_at=now())

    def _message(self, part: Operation, timeout_s: float, request_id: str) -> dict[str, Any]:
        parameters = part.parameters
        make = self._parts.transient.get(part.action)
        if make is not None:
            with self._parts.database.read() as connection:
                parameters = {**parameters, **make(self._parts, connection, part)}
        return call_of(part, parameters, timeout_s, request_id).to_wire()

    def _send_in_pool(self, part: Operation, agent: str | None, request_id: str) -> None:
        now = self._parts.clock.now()
        # what it waited for its turn is gone: its deadline stays what was promised
        seconds = (part.deadline_at - now).total_seconds()
        made = system_context(seconds, request_id)
        context = replace(made, user=part.user, project=part.project, system=False)
        set_asking(context.asking())
        try:
            if seconds <= 0:
                state, told = overdue_end(part)
                self.end(context, replace(part, state=state, cause=told, finished_at=now))
                return

            def move(connection: Connection) -> bool:
                if not self._parts.access.still_passes(connection, part.request, part.board):
                    # it was granted when it was ordered, and taken back since
                    self.end_in(connection, context, withdrawn(part, now))
                    return False
                return store.move(connection, part.uuid, DISPATCHED, now)

            if self._parts.database.write(move):
                self._settle(context, self._send(context, agent, part))
        except errors.Error as error:
            # stays open; the expiry or the next start takes it up again
            LOG.warning("operation %s waits: %s", part.uuid, error.message)

    def _settle(self, context: Context, part: Operation) -> None:
        """Record what a call came to: an end, or that the board works on it."""
        if part.state == RUNNING:
            now = self._parts.clock.now()
            self._parts.database.write(
                lambda connection: store.move(connection, part.uuid, RUNNING, now)
            )
        else:
            self.end(context, part)

    def _outcome(self, ended: Operation) -> Operation:
        if ended.state != SUCCEEDED:
            raise failure_of(ended)
        return ended

    def _sent(self, operation: str, sent: Future[None]) -> None:
        """Log what ended a sending unawares; the expiry ends the operation."""
        self._sending.discard(operation)
        mistake = None if sent.cancelled() else sent.exception()
        if mistake is not None:
            LOG.error("operation %s was not sent", operation, exc_info=mistake)
