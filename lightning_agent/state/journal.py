"""The journal of operations: SQLite, what was carried out and how it ended.

It is why an operation happens at most once: an order with an effect is
``received`` here before it begins and ``done`` here before it is answered, both
synced to disk. An entry is ``confirmed`` when the cloud has recorded the end.

Bounds: :data:`MAX_ROWS` and :data:`MAX_BYTES`. Over them a tenth is dropped, in
this order: confirmed, then done without an effect, then done with one, the
oldest first each time. What is received and not done is never dropped. A
dropped operation is unknown from then on.

Blocking; one thread at a time. The reactor's side is :mod:`state.outbox`.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import msgpack

from lightning_agent.errors import StorageFailed
from lightning_agent.protocol.messages import OperationAnswer, OperationCall, OperationRecord

LOG = logging.getLogger(__name__)

FILE_NAME = "journal.sqlite"
MAX_ROWS = 10_000
"""Operations kept; chosen here: a day of one order every 9 s."""
MAX_BYTES = 64 * 1024 * 1024
"""Bytes of orders and answers kept: results may be 1 MiB each."""
CACHE_KIB = 512
"""SQLite's page cache; the default of 2 MB is more than a board's agent should take."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS operation (
  sequence INTEGER PRIMARY KEY,
  operation TEXT NOT NULL UNIQUE,
  procedure TEXT NOT NULL,
  effect INTEGER NOT NULL,
  call BLOB NOT NULL,
  answer BLOB,
  confirmed INTEGER NOT NULL DEFAULT 0
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """An order with an effect is about to be carried out."""

    procedure: str
    call: OperationCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """An order ended."""

    procedure: str
    call: OperationCall
    answer: OperationAnswer
    effect: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """The cloud has recorded these ends."""

    operations: tuple[str, ...]


Change: TypeAlias = Received | Done | Confirmed


def open_journal(path: Path) -> Journal:
    """Open the journal; a damaged file is put aside and begun anew.

    A board that nobody can reach must not stay away for a file that a power cut
    broke. The damaged one stays beside it as ``journal.sqlite.damaged``.

    :raises StorageFailed: it cannot be opened for another reason
    """
    try:
        return Journal(path)
    except StorageFailed as error:
        # SQLite raises subclasses for everything but a file that is no database
        if type(error.__cause__) is not sqlite3.DatabaseError:
            raise
        LOG.error("%s is damaged and put aside; what was carried out before is forgotten", path)
        path.replace(path.with_name(f"{path.name}.damaged"))
        for ending in ("-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        return Journal(path)


class Journal:
    """The file and its statements.

    :param path: made when absent
    :raises StorageFailed: it cannot be opened
    """

    def __init__(
        self, path: Path, *, max_rows: int = MAX_ROWS, max_bytes: int = MAX_BYTES
    ) -> None:
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        try:
            self._connection = _open(path)
            self._rows, self._bytes = self._count()
        except sqlite3.Error as error:
            raise StorageFailed(f"{path} cannot be opened: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def apply(self, changes: Iterable[Change]) -> list[str]:
        """Write the changes in one durable transaction.

        :returns: operations that were dropped to stay within the bounds
        :raises StorageFailed: nothing was written
        """
        try:
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                for change in changes:
                    self._write(change)
                dropped = self._drop_oldest()
            return dropped
        except sqlite3.Error as error:
            self._rows, self._bytes = self._count()
            raise StorageFailed(f"the journal cannot be written: {error}") from error

    def find_answer(self, operation: str) -> OperationAnswer | None:
        """Return how an operation ended, ``None`` when it is unknown or not done."""
        row = self._select("SELECT answer FROM operation WHERE operation = ?", operation)
        return OperationAnswer.from_wire(_load(row[0][0])) if row and row[0][0] else None

    def list_unfinished(self) -> list[Received]:
        """Return the orders that were received and are not done, the oldest first."""
        rows = self._select(
            "SELECT procedure, call FROM operation WHERE answer IS NULL ORDER BY sequence"
        )
        return [
            Received(procedure=procedure, call=OperationCall.from_wire(_load(call)))
            for procedure, call in rows
        ]

    def list_known(self) -> list[tuple[str, bool]]:
        """Return all operations with whether they are confirmed, the oldest first."""
        rows = self._select("SELECT operation, confirmed FROM operation ORDER BY sequence")
        return [(operation, bool(confirmed)) for operation, confirmed in rows]

    def list_records(self, operations: Iterable[str]) -> list[OperationRecord]:
        """Return the done ones among these operations, with their orders."""
        found = []
        for operation in operations:
            rows = self._select(
                "SELECT call, answer FROM operation WHERE operation = ? AND answer IS NOT NULL",
                operation,
            )
            found += [
                OperationRecord(
                    call=OperationCall.from_wire(_load(call)),
                    answer=OperationAnswer.from_wire(_load(answer)),
                )
                for call, answer in rows
            ]
        return found

    def _write(self, change: Change) -> None:
        if isinstance(change, Confirmed):
            self._connection.executemany(
                "UPDATE operation SET confirmed = 1 WHERE operation = ? AND answer IS NOT NULL",
                [(operation,) for operation in change.operations],
            )
            return
        call = _pack(change.call)
        if isinstance(change, Received):
            self._insert(change.call.operation, change.procedure, True, call, None)
            return
        answer = _pack(change.answer)
        updated = self._connection.execute(
            "UPDATE operation SET answer = ? WHERE operation = ?", (answer, change.call.operation)
        ).rowcount
        if updated:
            self._bytes += len(answer)
        else:
            self._insert(change.call.operation, change.procedure, change.effect, call, answer)

    def _insert(
        self, operation: str, procedure: str, effect: bool, call: bytes, answer: bytes | None
    ) -> None:
        self._connection.execute(
            "INSERT INTO operation (operation, procedure, effect, call, answer)"
            " VALUES (?, ?, ?, ?, ?)",
            (operation, procedure, effect, call, answer),
        )
        self._rows += 1
        self._bytes += len(call) + len(answer or b"")

    def _drop_oldest(self) -> list[str]:
        if self._rows <= self._max_rows and self._bytes <= self._max_bytes:
            return []
        dropped: list[str] = []
        unconfirmed = 0
        rows = self._select(
            "SELECT operation, confirmed, length(call) + length(answer) FROM operation"
            " WHERE answer IS NOT NULL ORDER BY confirmed DESC, effect, sequence"
        )
        for operation, confirmed, size in rows:
            if self._rows <= 0.9 * self._max_rows and self._bytes <= 0.9 * self._max_bytes:
                break
            dropped.append(operation)
            unconfirmed += not confirmed
            self._rows -= 1
            self._bytes -= size
        self._connection.executemany(
            "DELETE FROM operation WHERE operation = ?", [(operation,) for operation in dropped]
        )
        if unconfirmed:
            LOG.warning("the journal is full: %d unconfirmed operations dropped", unconfirmed)
        return dropped

    def _count(self) -> tuple[int, int]:
        rows, size = self._select(
            "SELECT count(*), coalesce(sum(length(call) + coalesce(length(answer), 0)), 0)"
            " FROM operation"
        )[0]
        return rows, size

    def _select(self, statement: str, *values: object) -> list[Any]:
        return self._connection.execute(statement, values).fetchall()


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    path.chmod(0o600)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute("PRAGMA journal_size_limit = 4194304")
    connection.executescript(_SCHEMA)
    return connection


def _pack(message: OperationCall | OperationAnswer) -> bytes:
    packed: bytes = msgpack.packb(message.to_wire(), use_bin_type=True)
    return packed


def _load(packed: bytes) -> Any:
    return msgpack.unpackb(packed, raw=False, strict_map_key=False)
