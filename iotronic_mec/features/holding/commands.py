"""Opening and giving back what is held outside, and the rules all holders share.

A noun that holds things derives its commands from :class:`HolderCommands`:

1. its own command writes the row and its holdings, all *opening*, in one
   transaction: from then on nothing can be lost;
2. :meth:`HolderCommands.bring` asks the drivers, outside of any transaction,
   and makes them and the row *open*; if one fails, all are given back;
3. :meth:`HolderCommands.drop` makes them *closing*, asks the drivers, and
   deletes the row when nothing is held any more.

What a crash leaves half-way, the periodic work of the noun takes up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from iotronic_mec.context import Context, system_context
from iotronic_mec.drivers.dns.base import Record
from iotronic_mec.drivers.network.base import NewPort
from iotronic_mec.drivers.outside import Outside
from iotronic_mec.drivers.proxy.base import Site
from iotronic_mec.drivers.tunnel.base import Tunnel
from iotronic_mec.errors import Error
from iotronic_mec.feature import Parts
from iotronic_mec.features.board import store as board_store
from iotronic_mec.features.board.model import Target
from iotronic_mec.features.holding import store
from iotronic_mec.features.holding.model import (
    CLOSING,
    DNS,
    GRACE_S,
    NETWORK,
    OPEN,
    OPENING,
    PROXY,
    TUNNEL,
    Holding,
    Withdrawn,
    pause_s,
)
from iotronic_mec.operation import cause

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOG = logging.getLogger(__name__)

Facts = Mapping[str, Mapping[str, Any]]
"""Kind of a holding to what the driver made of it."""


class HoldingCommands:
    """Asks the drivers.

    :param parts: what commands are built from
    :param made: the commands of earlier features; none is needed
    """

    namespace = "holding"

    def __init__(self, parts: Parts, made: Mapping[str, Any]) -> None:
        del made
        self._parts = parts
        self.outside = parts.outside or Outside()
        for family in self.outside.simulated():
            LOG.info("the %s driver is 'fake': nothing is done outside", family)

    def open_all(self, holder: str) -> Facts:
        """Ask the drivers for all that is opening; return what they made.

        :raises Withdrawn: somebody had it closed meanwhile
        :raises Error: a driver's own, at the first that fails
        """
        with self._parts.database.read() as connection:
            held = store.list_of(connection, holder)
        facts: dict[str, Mapping[str, Any]] = {}
        for each in held:
            if each.state == OPENING:
                each = replace(each, facts=self._open(each))
                self._note_open(each)
            elif each.state != OPEN:
                raise Withdrawn()
            facts[each.kind] = each.facts
        return facts

    def close_due(self, holder: str | None = None) -> None:
        """Give back what is closing: all of one holder, or what is due.

        A driver that fails is asked again later, with growing pauses.
        """
        clock = self._parts.clock
        with self._parts.database.read() as connection:
            due = store.list_closing(connection, clock.now(), holder=holder)
        for each in due:
            try:
                self._close(each)
            except Error as error:
                self._note_failure(each, error)
                continue
            self._parts.database.write(partial(store.delete_holding, uuid=each.uuid))

    def _note_open(self, opened: Holding) -> None:
        now = self._parts.clock.now()

        def change(connection: Connection) -> bool:
            return store.move(connection, opened.uuid, OPENING, OPEN, now, facts=opened.facts)

        if self._parts.database.write(change):
            return
        # closed meanwhile; what the driver made must be known to be given back
        closing = replace(opened, key=None, state=CLOSING, cause=None, retry_at=now)

        def keep(connection: Connection) -> None:
            facts = {"facts": opened.facts, "retry_at": now}
            if not store.move(connection, opened.uuid, CLOSING, CLOSING, now, **facts):
                # even given back and forgotten, before the driver had made it
                store.insert_holding(connection, closing)

        self._parts.database.write(keep)
        raise Withdrawn()

    def _note_failure(self, failed: Holding, error: Error) -> None:
        LOG.warning(
            "%s %s of board %s is not given back yet: %s",
            failed.kind,
            failed.key or failed.uuid,
            failed.board,
            error.message,
        )
        retry_at = self._parts.clock.now() + timedelta(seconds=pause_s(failed.attempts + 1))
        told = cause(error.to_wire()["code"], error.message)
        self._parts.database.write(
            lambda connection: store.note_failure(connection, failed, told, retry_at)
        )

    def _open(self, held: Holding) -> dict[str, Any]:
        outside, spec = self.outside, held.spec
        if held.kind == TUNNEL:
            outside.tunnel.open(tunnel_of(held))
        elif held.kind == DNS:
            outside.dns.create(Record(**spec))
        elif held.kind == PROXY:
            outside.proxy.publish(site_of(held))
        elif held.kind == NETWORK:
            made = outside.network.create(_new_port(held))
            return {
                "external": made.external,
                "mac": made.mac,
                "ip": made.ip,
                "prefix_length": made.prefix_length,
            }
        return {}

    def _close(self, held: Holding) -> None:
        outside, spec = self.outside, held.spec
        if held.kind == TUNNEL:
            outside.tunnel.close(tunnel_of(held))
        elif held.kind == DNS:
            outside.dns.delete(Record(**spec))
        elif held.kind == PROXY:
            outside.proxy.withdraw(site_of(held))
        elif held.kind == NETWORK:
            outside.network.delete(held.holder, held.facts.get("external"))


def tunnel_of(held: Holding) -> Tunnel:
    """Return what a tunnel driver is asked for."""
    return Tunnel(uuid=held.uuid, board=held.board, **held.spec)


def site_of(held: Holding) -> Site:
    """Return what a proxy driver is asked for."""
    return Site(board=held.board, **held.spec)


def _new_port(held: Holding) -> NewPort:
    spec = held.spec
    return NewPort(
        uuid=held.holder,
        project=held.project,
        board=held.board,
        network=spec["network"],
        subnet=spec["subnet"],
        security_groups=tuple(spec["security_groups"]),
    )


class HolderCommands:
    """What the commands of all nouns with holdings share.

    :param parts: what commands are built from
    :param made: the commands of earlier features
    """

    namespace = ""
    rows: store.Rows

    def __init__(self, parts: Parts, made: Mapping[str, Any]) -> None:
        self._parts = parts
        self._holdings: HoldingCommands = made["holding"]

    def resume(self) -> None:
        """Take up what somebody began with and did not finish."""
        with self._parts.database.read() as connection:
            stale = self.rows.stale(connection, self._parts.clock.now(), GRACE_S)
        for uuid, state in stale:
            try:
                if state == OPENING:
                    self._bring(system_context(), uuid)
                else:
                    self._finish(uuid)
            except Error as error:
                LOG.warning("%s %s: %s", self.namespace, uuid, error.message)

    def _board(self, connection: Connection, context: Context, ident: str) -> Target:
        """Return the board a caller means; the one place that decides whose."""
        return board_store.find_target(connection, context.project, ident, every=context.is_admin)

    def _made(self, facts: Facts) -> Mapping[str, Any]:
        """Return the columns of a row that follow from what the drivers made."""
        del facts
        return {}

    def _bring(self, context: Context, uuid: str, *, anew: bool = False) -> None:
        """Have all that a row holds opened, and the row with it.

        :param anew: it was open before: a failure leaves it as it was, with the cause
        :raises Error: the driver's own; everything is being given back
        """
        try:
            facts = self._holdings.open_all(uuid)
            self._opened(context, uuid, self._made(facts))
        except Error as error:
            if anew:
                self._leave_open(uuid, error)
            else:
                self._drop(context, uuid, because=error)
            raise

    def _opened(self, context: Context, uuid: str, values: Mapping[str, Any]) -> None:
        now = self._parts.clock.now()

        def change(connection: Connection) -> None:
            done = self.rows.move(connection, uuid, (OPENING,), OPEN, now, cause=None, **values)
            if not done:
                raise Withdrawn()
            self._note(connection, context, "open", uuid)

        self._parts.database.write(change)

    def _leave_open(self, uuid: str, error: Error) -> None:
        now = self._parts.clock.now()
        told = cause(error.to_wire()["code"], error.message)

        def change(connection: Connection) -> None:
            if self.rows.move(connection, uuid, (OPENING,), OPEN, now, cause=told):
                store.settle_of(connection, uuid, now)

        self._parts.database.write(change)

    def _drop(
        self,
        context: Context,
        uuid: str,
        *,
        because: Error | None = None,
        vetoes: Iterable[Callable[[Connection, str], None]] = (),
    ) -> bool:
        """Have all that a row holds given back; say whether the row is gone.

        When a driver fails, the row stays *closing* and is tried again.

        :param because: why it could not be opened
        :param vetoes: called with the connection and the uuid first
        """
        outcome = "success" if because is None else "failure"

        def change(connection: Connection) -> None:
            for veto in vetoes:
                veto(connection, uuid)
            self._close_in(connection, context, uuid, because, outcome)

        self._parts.database.write(change)
        return self._finish(uuid)

    def _close_in(
        self,
        connection: Connection,
        context: Context,
        uuid: str,
        because: Error | None,
        outcome: str = "success",
    ) -> None:
        """Have all that a row holds given back from now on, in the caller's transaction."""
        now = self._parts.clock.now()
        told = None if because is None else cause(because.to_wire()["code"], because.message)
        moved = self.rows.move(connection, uuid, (OPENING, OPEN), CLOSING, now, cause=told)
        store.close_of(connection, now, holder=uuid)
        if moved:
            reason = "" if because is None else str(because.to_wire()["code"])
            self._note(connection, context, "close", uuid, outcome, reason)

    def _finish(self, uuid: str) -> bool:
        self._holdings.close_due(uuid)
        return self._parts.database.write(lambda connection: self.rows.remove(connection, uuid))

    def _note(
        self,
        connection: Connection,
        context: Context,
        verb: str,
        uuid: str,
        outcome: str = "success",
        reason: str = "",
    ) -> None:
        held = store.list_of(connection, uuid)
        board = held[0].board if held else ""
        project = held[0].project if held else context.project
        action = f"{self.namespace}.{verb}"
        details = {"board": board}
        self._parts.audit(
            connection,
            replace(context, project=project) if context.system else context.acting_in(project),
            action,
            self.namespace,
            uuid,
            outcome=outcome,
            reason=reason,
            details=details,
        )
        self._parts.emit(connection, project, action, uuid, {**details, "outcome": outcome})
