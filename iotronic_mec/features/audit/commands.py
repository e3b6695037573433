"""Making the end of the chain known: to the ledger, and as an event."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from iotronic_mec.audit_chain import Head
from iotronic_mec.clock import iso
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
