"""Every query on enrolment codes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from iotronic_mec.errors import CodeUnknownOrUsed
from iotronic_mec.features.enrolment_code.model import Code, CodeExists, may_repeat
from iotronic_mec.features.enrolment_code.table import enrolment_code


def put(connection: Connection, board: str, hashed: str, now: datetime) -> None:
    """Give a board a new code; an older one is worth nothing from now on.

    :raises CodeExists: another board has this code, or had it
    """
    present = find(connection, hashed)
    if present is not None and (present.board != board or present.used):
        raise CodeExists("code: it is in use; choose another, or leave it out to get one")
    forget(connection, board)
    connection.execute(insert(enrolment_code).values(board=board, digest=hashed, created_at=now))


def forget(connection: Connection, board: str) -> None:
    """Delete the codes of a board."""
    connection.execute(delete(enrolment_code).where(enrolment_code.c.board == board))


def find(connection: Connection, hashed: str) -> Code | None:
    """Return the code with this keyed hash, or ``None``."""
    return _first(connection, enrolment_code.c.digest == hashed)


def find_of_board(connection: Connection, board: str) -> Code | None:
    """Return the newest code of a board, or ``None``."""
    return _first(connection, enrolment_code.c.board == board)


def use(connection: Connection, row: int, public_key: str, now: datetime) -> str:
    """Use a code for a key, once; return the board's uuid. Compare-and-set.

    The same key may use it again within the repeat window.

    :raises CodeUnknownOrUsed: it is unknown, or was used for another key
    """
    changed = connection.execute(
        update(enrolment_code)
        .where(enrolment_code.c.id == row, enrolment_code.c.used_at.is_(None))
        .values(used_at=now, public_key=public_key, updated_at=now)
    )
    code = _first(connection, enrolment_code.c.id == row)
    if code is None:
        raise CodeUnknownOrUsed(details={"reason": "code_unknown"})
    if changed.rowcount == 1 or may_repeat(code, public_key, now):
        return code.board
    raise CodeUnknownOrUsed(details={"reason": "code_used", "board": code.board})


def _first(connection: Connection, where: Any) -> Code | None:
    row = connection.execute(
        select(enrolment_code).where(where).order_by(enrolment_code.c.id.desc())
    ).first()
    if row is None:
        return None
    return Code(row=row.id, board=row.board, public_key=row.public_key, used_at=row.used_at)
