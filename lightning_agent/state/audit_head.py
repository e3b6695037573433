"""The newest head of the cloud's audit that this board was told.

``audit_head.json``  the head, and one that contradicts it if there was any

The board is a witness: whoever has the cloud's database can cut the end of the
audit, or write all of it anew, but not here. The head only ever moves on; one
that went back is logged, kept beside it, and the newest goes to the cloud with
each join, which compares it with its own chain. Reactor thread only, writes in
the disk's thread.
"""

from __future__ import annotations

import logging
from pathlib import Path

from lightning_agent.errors import StorageFailed
from lightning_agent.state.disk import Disk
from lightning_agent.state.files import read_json, write_json

LOG = logging.getLogger(__name__)

HEAD_FILE = "audit_head.json"


class AuditHead:
    """What the board knows of the cloud's audit.

    :param board: the identity: heads of another enrolment are another cloud's
    """

    def __init__(self, state_dir: Path, disk: Disk, board: str) -> None:
        self._path = state_dir / HEAD_FILE
        self._disk = disk
        self._board = board
        self._newest, self._contradicted_by = self._read()

    @property
    def newest(self) -> str | None:
        """The head, ``<sequence>:<sha256>``, ``None`` before the first."""
        return self._newest

    @property
    def contradicted_by(self) -> str | None:
        """A head the cloud told later that cannot follow from it, ``None`` without one."""
        return self._contradicted_by

    async def told(self, head: str | None) -> None:
        """Take the cloud's word on its head; it is durable when this returns."""
        if head is None or head == self._newest:
            return
        newest = self._newest
        if newest is None or _sequence(head) > _sequence(newest):
            self._newest = head
        else:
            LOG.error(
                "board %s: the cloud's audit went back from %s to %s: rows were cut off or "
                "replaced; 'iot audit verify --against %s' shows it",
                self._board,
                newest,
                head,
                newest,
            )
            self._contradicted_by = head
        stored = {
            "board": self._board,
            "head": self._newest,
            "contradicted_by": self._contradicted_by,
        }
        await self._disk.run(lambda: write_json(self._path, stored))

    def _read(self) -> tuple[str | None, str | None]:
        try:
            stored = read_json(self._path)
            if stored is None or stored["board"] != self._board:
                return None, None
            head, other = stored["head"], stored.get("contradicted_by")
            _sequence(head)
            return head, other if isinstance(other, str) else None
        except (StorageFailed, AttributeError, KeyError, TypeError, ValueError) as error:
            LOG.error("%s cannot be used (%s); the cloud tells a head anew", self._path, error)
            return None, None


def _sequence(head: str) -> int:
    return int(head.partition(":")[0])
