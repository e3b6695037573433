"""The rules of leases: who gets one, how long, and how things end with their grants.

What is started under a grant is written down with it. A board is told to end it
at once when the grant is revoked or gives nothing any more; a board that cannot
be told ends it by itself when the lease it has is over, an hour later at most.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from iotronic_mec import errors, lease_token
from iotronic_mec.context import system_context
from iotronic_mec.feature import Parts
from iotronic_mec.features.board import store as board_store
from iotronic_mec.features.board.model import ONLINE, BoardNotFound, Target
from iotronic_mec.features.grant import store as grant_store
from iotronic_mec.features.grant.model import LIVE
from iotronic_mec.features.lease import store
from iotronic_mec.features.lease.model import PLUGIN, AgentTooOld, GrantEnded, Lease
from iotronic_mec.ids import new_uuid
from iotronic_mec.lent import Lent
from lightning_agent.protocol import names
from lightning_agent.protocol.messages import OperationCall

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOG = logging.getLogger(__name__)

TOPIC = "lease.ended"
"""Event with what boards have to end; its subject is a board."""

END_LIMIT_S = 5.0
"""Seconds a board has to end something."""

RECHECK = timedelta(seconds=60)
"""Longest time after which a lease is looked at again; boards ask for theirs anew
anyway, and what is revoked ends at once."""

MAX_CHECKED = 1000
"""Most leases looked at in one run, every ten seconds."""

PER_EVENT = 100
"""Most things in one event."""


class LeaseCommands:
    """Ends what may not go on any more.

    :param parts: what commands are built from
    :param made: the commands of earlier features; none is needed
    """

    namespace = "lease"

    def __init__(self, parts: Parts, made: Mapping[str, Any]) -> None:
        del made
        self._parts = parts

    def settle(self) -> int:
        """End what goes on under grants that give nothing any more; return how many leases.

        Only those that are due are looked at: at the end of their grant, and every
        :data:`RECHECK` for what has no moment, such as a lender who lost a role.
        """
        now = self._parts.clock.now()
        over: list[Lease] = []
        moments: dict[int, datetime] = {}
        with self._parts.database.read() as connection:
            for key, lease in store.list_due(connection, now, MAX_CHECKED):
                until = _until(self._parts, connection, lease)
                if until is None:
                    over.append(lease)
                else:
                    moments[key] = min(until, now + RECHECK)

        def change(connection: Connection) -> None:
            store.check_again(connection, moments)
            if over:
                end(self._parts, connection, over, "grant_ended")

        if over or moments:
            self._parts.database.write(change)
        return len(over)


def begin(
    parts: Parts,
    connection: Connection,
    thing: store.Thing,
    lent: Iterable[Lent],
    *,
    onboot: bool = False,
) -> None:
    """Write down under which grants something goes on, in the transaction that starts it.

    :raises AgentTooOld: the board would not end it
    """
    board, kind, subject = thing
    procedures = board_store.get_board(connection, "", board, every=True).capabilities
    if names.PLUGIN_END not in procedures.get("procedures", ()):
        raise AgentTooOld(
            f"the agent of board {board} does not end things by itself: have it upgraded"
        )
    leases = [
        Lease(
            board=board,
            kind=kind,
            subject=subject,
            grant=each.grant,
            lent_kind=each.kind,
            lent=each.uuid,
            action=each.action,
            onboot=onboot,
        )
        for each in lent
    ]
    store.replace(connection, thing, leases, parts.clock.now())


def issue(parts: Parts, connection: Connection, board: str, kind: str, subject: str) -> str | None:
    """Return a lease for something on a board, ``None`` when it needs none.

    :raises GrantEnded: it may not go on
    """
    leases = store.find(connection, board, kind, subject)
    if not leases:
        return None
    ends = [_until(parts, connection, lease) for lease in leases]
    known = [moment for moment in ends if moment is not None]
    if len(known) < len(ends):
        raise GrantEnded("the grant under which it was to run has ended")
    return lease_token.make(
        parts.secret,
        issuer=parts.settings.public_url,
        board=board,
        subject=f"{kind}:{subject}",
        grants=[lease.grant for lease in leases],
        now=parts.clock.now(),
        until=min(known),
    )


def end(parts: Parts, connection: Connection, over: Iterable[Lease], reason: str) -> None:
    """End things in a transaction: what is desired changes, boards are told after it."""
    things: dict[store.Thing, bool] = {}
    for lease in over:
        thing = (lease.board, lease.kind, lease.subject)
        things[thing] = things.get(thing, False) or lease.onboot
    context = system_context()
    for (board, kind, subject), onboot in things.items():
        store.remove(connection, (board, kind, subject))
        parts.on_lease_end[kind](parts, connection, board, subject, onboot)
        details = {"kind": kind, "subject": subject}
        parts.audit(
            connection, context, "lease.end", "board", board, reason=reason, details=details
        )
    told = list(things)
    for at in range(0, len(told), PER_EVENT):
        piece = told[at : at + PER_EVENT]
        body = {"things": [list(thing) for thing in piece], "reason": reason}
        parts.emit(connection, "", TOPIC, piece[0][0], body)


def check_started(
    parts: Parts, connection: Connection, board: str, kind: str, subject: str
) -> None:
    """End once more what began while its grant was being revoked.

    The order to end it may have come to the board before the order to start it.
    """
    if store.find(connection, board, kind, subject):
        return
    parts.on_lease_end[kind](parts, connection, board, subject, False)
    body = {"things": [[board, kind, subject]], "reason": "grant_revoked"}
    parts.emit(connection, "", TOPIC, board, body)


def grant_ended(parts: Parts, connection: Connection, grants: list[str]) -> None:
    """End what goes on under grants that are being revoked."""
    for at in range(0, len(grants), 500):
        over = store.of_grants(connection, grants[at : at + 500])
        if over:
            end(parts, connection, over, "grant_revoked")


def board_deleted(parts: Parts, connection: Connection, board: str) -> None:
    """Forget what went on on a board that is being deleted."""
    del parts
    store.remove_board(connection, board)


def renew(
    parts: Parts, connection: Connection, board: str, subjects: Iterable[str]
) -> dict[str, str]:
    """Return new leases for plugins of a board; what may not go on is left out."""
    found = {}
    for subject in subjects:
        try:
            lease = issue(parts, connection, board, PLUGIN, subject)
        except GrantEnded:
            continue
        if lease is not None:
            found[subject] = lease
    return found


def tell_boards(parts: Parts, event: Mapping[str, Any]) -> None:
    """Have boards end things now, without waiting for them; consumer of events.

    A board that is away is not told: it gets what is desired at its next join.
    One that does not answer, or whose order is lost with this process, gets no
    new lease.

    :raises errors.Unavailable: too many boards are being told; the event comes again
    """
    reason = str(event["body"]["reason"])
    work = []
    with parts.database.read() as connection:
        for board, _, subject in event["body"]["things"]:
            try:
                target = board_store.find_target(connection, "", board, every=True)
            except BoardNotFound:
                continue
            if target.status == ONLINE:
                work.append(partial(_tell_board, parts, target, subject, reason))
    if not parts.background.take(work):
        raise errors.Unavailable("too many boards are being told to end something")


def _tell_board(parts: Parts, target: Target, subject: str, reason: str) -> None:
    context = system_context(END_LIMIT_S + 1)
    message = OperationCall(
        operation=new_uuid(),
        request=new_uuid(),
        action="PluginEnd",
        project=target.project,
        user="system",
        remaining_s=END_LIMIT_S,
        parameters={"plugin": subject, "cause": reason},
        request_id=context.request_id,
    ).to_wire()
    try:
        parts.boards.call(
            context, target.agent, target.uuid, names.PLUGIN_END, message, END_LIMIT_S
        )
    except errors.Error as error:
        LOG.warning("board %s was not told to end %s: %s", target.uuid, subject, error.message)


def _until(parts: Parts, connection: Connection, lease: Lease) -> datetime | None:
    """Return until when a grant lets something go on, ``None`` when it does not.

    Its uses do not matter any more: the one that started it was counted.
    """
    found = grant_store.find_grant(connection, lease.grant)
    place = parts.lendable[lease.lent_kind].find(connection, lease.lent)
    if found is None or place is None:
        return None
    state = parts.access.standing(
        connection, found, lease.lent_kind, place, lease.action, counting=False
    )
    if state != LIVE:
        return None
    now = parts.clock.now()
    ends = [each.until(now) for each in grant_store.chain(connection, found)]
    longest = now + lease_token.MAX_LENGTH
    return min((moment for moment in ends if moment is not None), default=longest)
