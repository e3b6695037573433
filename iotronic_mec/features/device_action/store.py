"""Queries behind orders to fleets, and what of an order is not kept."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from iotronic_mec.features.board.model import Target
from iotronic_mec.features.board.table import board
from iotronic_mec.features.request.table import operation

_TARGET = (board.c.uuid, board.c.project, board.c.name, board.c.status, board.c.agent)


def list_fleet_targets(connection: Connection, fleet: str, limit: int) -> list[Target]:
    """Return what orders to the boards of a fleet need, oldest boards first."""
    rows = connection.execute(
        select(*_TARGET)
        .where(board.c.fleet == fleet)
        .order_by(board.c.created_at, board.c.id)
        .limit(limit)
    )
    return [Target(**row._mapping) for row in rows]


def scrub(connection: Connection, uuid: str) -> None:
    """Forget the parameters of an operation that has ended: they may hold secrets."""
    connection.execute(update(operation).where(operation.c.uuid == uuid).values(parameters={}))
