"""Tables of boards, their labels and places."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Double,
    ForeignKey,
    Index,
    String,
    Table,
    UniqueConstraint,
    update,
)

from iotronic_mec.db.base import Key, key_column, metadata, time_columns
from iotronic_mec.db.types import JSONText, UTCDateTime, name_type
from iotronic_mec.geo import Circle, point

board = Table(
    "board",
    metadata,
    key_column(),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("project", String(36), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("name", name_type(), nullable=False),
    Column("type", String(255), nullable=True),
    Column("status", String(15), nullable=False),
    Column("status_at", UTCDateTime, nullable=True),
    Column("agent", String(36), nullable=True),
    Column("session", String(20), nullable=True),
    Column("fleet", String(36), nullable=True),
    Column("mobile", Boolean(create_constraint=False), nullable=False),
    Column("lr_version", String(20), nullable=True),
    Column("level", String(20), nullable=True),
    Column("public_key", String(64), nullable=True),
    Column("connectivity", JSONText, nullable=False),
    Column("capabilities", JSONText, nullable=False),
    Column("extra", JSONText, nullable=False),
    Column("config", JSONText, nullable=False),
    # the newest place as a point of the unit sphere, see geo.py
    Column("place_x", Double, nullable=True),
    Column("place_y", Double, nullable=True),
    Column("place_z", Double, nullable=True),
    *time_columns(),
    UniqueConstraint("project", "name"),
    Index(None, "project", "created_at", "id"),
    Index(None, "created_at", "id"),
    Index(None, "agent", "status"),
    Index(None, "fleet", "created_at", "id"),
    Index(None, "place_z", "place_x"),
    sqlite_autoincrement=True,
)

board_label = Table(
    "board_label",
    metadata,
    key_column(),
    Column("board_id", Key, ForeignKey("board.id", ondelete="CASCADE"), nullable=False),
    Column("key", name_type(63), nullable=False),
    Column("value", name_type(), nullable=False),
    UniqueConstraint("board_id", "key"),
    Index(None, "key", "value", "board_id"),
)

board_location = Table(
    "board_location",
    metadata,
    key_column(),
    Column("board_id", Key, ForeignKey("board.id", ondelete="CASCADE"), nullable=False),
    Column("longitude", String(18), nullable=False),
    Column("latitude", String(18), nullable=False),
    Column("altitude", String(18), nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
    Index(None, "board_id", "id"),
)

ROUNDING = 1e-15
"""Square of a chord of 0.2 m: a board at the centre itself is within 0 m."""


def within(near: Circle) -> list[ColumnElement[bool]]:
    """Return what places within a circle satisfy: a box, for the index, and the chord."""
    centre, chord = near.centre, near.chord
    x, y, z = board.c.place_x, board.c.place_y, board.c.place_z
    across = (x - centre.x) * (x - centre.x) + (y - centre.y) * (y - centre.y)
    across += (z - centre.z) * (z - centre.z)
    return [
        z.between(centre.z - chord, centre.z + chord),
        x.between(centre.x - chord, centre.x + chord),
        across <= chord * chord + ROUNDING,
    ]


def moved(key: int, latitude: str, longitude: str) -> Any:
    """Return the statement that notes where a board is now."""
    at = point(float(latitude), float(longitude))
    values = {"place_x": at.x, "place_y": at.y, "place_z": at.z}
    return update(board).where(board.c.id == key).values(**values)
