"""Every query on where boards have been."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, exists, select

from iotronic_mec.db.prune import delete_old
from iotronic_mec.features.board.model import Location
from iotronic_mec.features.board.store import key_of
from iotronic_mec.features.board.table import board_location


def list_page(
    connection: Connection, board: str, *, after: int | None, descending: bool, limit: int
) -> list[tuple[int, Location]]:
    """Return a page of a board's places in the order of time, and one more.

    :param board: its uuid
    :param after: key of the last place of the page before
    :returns: the places with their keys
    """
    key = board_location.c.id
    query = select(board_location).where(board_location.c.board_id == key_of(connection, board))
    if after is not None:
        query = query.where(key < after if descending else key > after)
    query = query.order_by(key.desc() if descending else key.asc()).limit(limit + 1)
    return [(int(row.id), _location(row)) for row in connection.execute(query)]


def prune(connection: Connection, before: datetime, limit: int) -> int:
    """Delete places of before a moment, but never a board's newest; return how many."""
    later = board_location.alias("later")
    newer = exists().where(
        later.c.board_id == board_location.c.board_id, later.c.id > board_location.c.id
    )
    return delete_old(
        connection, board_location, board_location.c.updated_at, before, limit, newer
    )


def _location(row: Row[Any]) -> Location:
    return Location(
        longitude=row.longitude,
        latitude=row.latitude,
        altitude=row.altitude,
        updated_at=row.updated_at,
    )
