"""Making the end of the chain known: to the ledger, and as an event."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from iotronic_mec.audit_chain import Head
from iotronic_mec.clock import iso
from iotronic_mec.context import Context
from iotronic_mec.drivers.ledger.base import LedgerUnavailable
from iotronic_mec.feature import Parts
from iotronic_mec.features.audit import store

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOG = logging.getLogger(__name__)

TOPIC = "audit.head"
"""Event with the head of the audit; its project is empty, its subject ``audit``."""


class AuditCommands:
    """The head of the audit, made known outside.

    :param parts: what commands are built from
    :param made: the commands of earlier features; none is needed
    """

    namespace = "audit"

    def __init__(self, parts: Parts, made: Mapping[str, Any]) -> None:
        self._parts = parts
        self._published: Head | None = None
        self._due_s = 0.0

    def publish_head(self) -> bool:
        """Hand the head to the ledger and publish it, when it is due and another one.

        The ledger is asked what it holds: after a restart it goes on from
        there, and what it did not take it is offered again.

        :returns: whether a head was published
        :raises LedgerUnavailable: the ledger did not take it
        """
        now_s = self._parts.clock.monotonic()
        if now_s < self._due_s:
            return False
        self._due_s = now_s + self._parts.settings.audit_head_interval_s
        with self._parts.database.read() as connection:
            head = store.head(connection)
        if head.sequence == 0 or head == self._published:
            return False
        self._keep(head)
        body = {"head": str(head), "at": iso(self._parts.clock.now())}
        self._parts.database.write(
            lambda connection: self._parts.emit(connection, "", TOPIC, "audit", body)
        )
        self._published = head
        return True

    def _keep(self, head: Head) -> None:
        ledger = self._parts.ledger
        if ledger is None:
            return
        try:
            if ledger.newest() != head:
                ledger.append(head, self._parts.clock.now())
        except LedgerUnavailable:
            # the next run tries again
            self._due_s = 0.0
            raise


def head_to_tell(connection: Connection) -> str | None:
    """Return the head as boards and clients are told it, ``None`` before the first row."""
    head = store.head(connection)
    return str(head) if head.sequence else None


def witness(
    parts: Parts, connection: Connection, context: Context, board: str, told: str | None
) -> bool:
    """Compare the newest head a board was ever told with the chain.

    Where the chain has no such row any more, or another one, its end was cut
    off or it was written anew: that is logged and becomes a row of its own.
    It is one board's word; ``iot audit verify --against`` shows it to anybody.

    :returns: whether the head is in the chain
    """
    if told is None:
        return True
    head = Head.parse(told)
    if head.sequence == 0 or store.has(connection, head):
        return True
    LOG.error("board %s was told the audit's head %s, which is not in the chain", board, told)
    details = {"head": told}
    parts.audit(
        connection,
        context,
        "audit.contradicted",
        "board",
        board,
        outcome="failed",
        reason="head_not_found",
        details=details,
    )
    parts.emit(connection, "", "audit.contradicted", board, details)
    return False
