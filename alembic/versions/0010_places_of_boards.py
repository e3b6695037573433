"""Where boards are, as points that can be searched; filled from their newest places."""

from __future__ import annotations

import math

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

NAMES = ("place_x", "place_y", "place_z")


def upgrade() -> None:
    """Go forward."""
    with op.batch_alter_table("board", schema=None) as batch_op:
        for name in NAMES:
            batch_op.add_column(sa.Column(name, sa.Double(), nullable=True))
        batch_op.create_index(batch_op.f("ix_board_place_z_place_x"), ["place_z", "place_x"])
    _fill(op.get_bind())


def _fill(connection: sa.Connection) -> None:
    meta = sa.MetaData()
    board = sa.Table("board", meta, sa.Column("id"), *(sa.Column(name) for name in NAMES))
    place = sa.Table(
        "board_location",
        meta,
        *(sa.Column(name) for name in ("id", "board_id", "latitude", "longitude")),
    )
    newest = sa.select(sa.func.max(place.c.id)).group_by(place.c.board_id)
    rows = connection.execute(sa.select(place).where(place.c.id.in_(newest))).all()
    for row in rows:
        phi, theta = math.radians(float(row.latitude)), math.radians(float(row.longitude))
        x, y = math.cos(phi) * math.cos(theta), math.cos(phi) * math.sin(theta)
        connection.execute(
            board.update()
            .where(board.c.id == row.board_id)
            .values(place_x=x, place_y=y, place_z=math.sin(phi))
        )


def downgrade() -> None:
    """Go back."""
    with op.batch_alter_table("board", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_board_place_z_place_x"))
        for name in NAMES:
            batch_op.drop_column(name)
