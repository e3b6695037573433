"""The order in which the tables come, and what becomes of a row that cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iotronic_mec.cmd.importing.ground import Ground, Names, One
from iotronic_mec.cmd.importing.history import History
from iotronic_mec.cmd.importing.reach import Reach
from iotronic_mec.cmd.importing.report import REFUSED, Report
from iotronic_mec.cmd.importing.things import Things
from iotronic_mec.context import system_context
from iotronic_mec.db import faults
from iotronic_mec.db.upstream import Upstream
from iotronic_mec.errors import Error
from iotronic_mec.feature import Parts

if TYPE_CHECKING:
    from sqlalchemy import Connection


class _Undone(Exception):
    """Ends the transaction of a dry run."""


class Import:
    """One import.

    :param parts: of a conductor that holds the lock
    :param source: IoTronic's tables
    """

    def __init__(self, parts: Parts, source: Upstream, names: Names, report: Report) -> None:
        self._parts = parts
        self._source = source
        self._report = report
        self._ground = Ground(parts, source, names, report)
        self._things = Things(self._ground)

    def run(self) -> None:
        """Import everything, or, in a dry run, find out what would happen."""
        self._things.store_code()
        try:
            self._parts.database.write(self._all)
        except _Undone:
            return

    def _all(self, connection: Connection) -> None:
        # a change may be called again
        self._report.clear()
        self._things.clear()
        for part in (self._things, Reach(self._ground), History(self._ground)):
            for table, one in part.tables().items():
                self._each(connection, table, one)
        self._parts.audit(
            connection,
            system_context(),
            "iotronic.import",
            "cloud",
            "",
            details={"counts": self._report.counts()},
        )
        if self._report.dry_run:
            raise _Undone

    def _each(self, connection: Connection, table: str, one: One) -> None:
        for row in self._source.iter_rows(table):
            savepoint = connection.begin_nested()
            mark = self._report.mark()
            try:
                outcome, text = one(connection, row)
                savepoint.commit()
            except (Error, ValueError, KeyError, TypeError) as error:
                savepoint.rollback()
                self._report.back_to(mark)
                outcome, text = REFUSED, getattr(error, "message", "") or str(error)
            except faults.OF_A_ROW as error:
                savepoint.rollback()
                self._report.back_to(mark)
                outcome, text = (
                    REFUSED,
                    f"the database refuses it: {getattr(error, 'orig', error)}",
                )
            self._report.add(table, row.get("uuid") or row["id"], outcome, text)
