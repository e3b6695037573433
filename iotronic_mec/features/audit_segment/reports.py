"""What boards say of the audit's head, compared with the chain and what was sealed of it.

Every board keeps the newest head it was told and says it again when it joins. Where
the chain has no such row, or another one, its end was cut off or it was written anew. It is
one board's word, and a board can say anything: of each board one contradiction an hour is
noted, whatever it says and however often it joins.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from iotronic_mec import audit_segment
from iotronic_mec.audit_chain import Head
from iotronic_mec.audit_segment import Damaged, Segment
from iotronic_mec.context import Context
from iotronic_mec.drivers.storage.base import BytesNotFound
from iotronic_mec.feature import Parts
from iotronic_mec.features.audit import store as audit_store
from iotronic_mec.features.audit_segment import store

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOG = logging.getLogger(__name__)

CONTRADICTED = "audit.contradicted"
"""Action of the row and topic of the event about a head that is not in the chain."""

QUIET_S = 3600.0
"""How long nothing more is noted of a board after a contradiction, seconds."""

MAX_BOARDS = 10_000
"""Most boards remembered; while so many contradict, others are not noted."""


class Witnesses:
    """The boards' word on the audit; any thread."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._noted: dict[str, float] = {}
        self._lock = threading.Lock()

    def hear(self, context: Context, board: str, told: str | None) -> bool:
        """Compare the newest head a board was ever told with the chain.

        A head in a sealed segment is looked up in its file, later and by another thread.
        ``iot audit verify --against`` shows a contradiction to anybody.

        :returns: ``False`` when the head is known not to be in the chain
        """
        if told is None:
            return True
        head = Head.parse(told)
        with self._parts.database.read() as connection:
            if head.sequence == 0 or audit_store.has(connection, head):
                return True
            sealed = store.find_with(connection, head.sequence)
        if sealed is None:
            self._note(context, board, told)
            return False
        segment = sealed.segment
        if head != segment.head and not self._is_quiet(board):
            self._parts.background.take([lambda: self._look_up(context, board, head, segment)])
        return True

    def _look_up(self, context: Context, board: str, head: Head, segment: Segment) -> None:
        try:
            with self._parts.storage.open(segment.digest) as file:
                for row in audit_segment.read(file):
                    if row["sequence"] == head.sequence:
                        if row.get("hash") != head.hash:
                            self._note(context, board, str(head))
                        return
        except (BytesNotFound, Damaged) as error:
            LOG.error(
                "rows %d to %d of the audit, sealed, cannot be read: %s",
                segment.first,
                segment.last,
                error,
            )

    def _note(self, context: Context, board: str, told: str) -> None:
        if not self._may_note(board):
            return
        LOG.error("board %s was told the audit's head %s, which is not in the chain", board, told)

        def change(connection: Connection) -> None:
            self._parts.audit(
                connection,
                context,
                CONTRADICTED,
                "board",
                board,
                outcome="failed",
                reason="head_not_found",
                details={"head": told},
            )
            self._parts.emit(connection, "", CONTRADICTED, board, {"head": told})

        self._parts.database.write(change)

    def _is_quiet(self, board: str) -> bool:
        now_s = self._parts.clock.monotonic()
        with self._lock:
            return board in self._noted and now_s - self._noted[board] < QUIET_S

    def _may_note(self, board: str) -> bool:
        now_s = self._parts.clock.monotonic()
        with self._lock:
            if len(self._noted) >= MAX_BOARDS:
                self._noted = {
                    key: at_s for key, at_s in self._noted.items() if now_s - at_s < QUIET_S
                }
            at_s = self._noted.get(board)
            if at_s is not None and now_s - at_s < QUIET_S:
                return False
            if len(self._noted) >= MAX_BOARDS:
                return False
            self._noted[board] = now_s
            return True
