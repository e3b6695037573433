"""What a database raises, as the cloud's own errors.

Prepared statements ask SQLite's driver directly, hence its errors too.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError

from iotronic_mec.db import server
from iotronic_mec.errors import BadRequest, Busy, Conflict

OF_A_ROW = (DataError, IntegrityError, sqlite3.DataError, sqlite3.IntegrityError)
"""What is raised for a row that breaks a rule or does not fit; the rest of a change may stay."""

UNFIT = "a value is longer, larger or of another kind than the database can keep"
"""What a caller is told whose value the database does not take."""


def of_write(error: BaseException) -> BaseException:
    """Return our error for what a change raised, or what it raised itself."""
    if isinstance(error, IntegrityError | sqlite3.IntegrityError):
        conflict = Conflict("the change breaks a rule of uniqueness or reference")
        conflict.__cause__ = error
        return conflict
    if isinstance(error, DataError | sqlite3.DataError) or server.is_unfit(error):
        bad = BadRequest(UNFIT)
        bad.__cause__ = error
        return bad
    if isinstance(error, OperationalError | InterfaceError | sqlite3.OperationalError):
        busy = Busy("the database cannot take the change now; try again later")
        busy.__cause__ = error
        return busy
    return error


def of_read(error: BaseException) -> BaseException:
    """Return our error for what a reading connection raised, or what it raised itself."""
    if isinstance(error, DataError | sqlite3.DataError) or server.is_unfit(error):
        return BadRequest(UNFIT)
    unready = isinstance(error, OperationalError | InterfaceError | sqlite3.OperationalError)
    if unready or server.is_unready(error):
        return Busy("the database cannot be read at the moment; try again later")
    return error
