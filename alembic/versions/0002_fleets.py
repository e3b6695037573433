"""Fleets, and boards by their fleet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LONG_TEXT = sa.Text().with_variant(sa.Text(16_777_215), "mysql", "mariadb")


def exact(length: int) -> sa.String:
    """Return the type of texts that compare letter by letter on every engine."""
    bytewise = sa.String(length, collation="utf8mb4_bin")
    return sa.String(length).with_variant(bytewise, "mysql", "mariadb")


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "fleet",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("project", sa.String(length=36), nullable=False),
        sa.Column("name", exact(255), nullable=False),
        sa.Column("description", sa.String(length=300), nullable=False),
        sa.Column("extra", LONG_TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fleet")),
        sa.UniqueConstraint("project", "name", name=op.f("uq_fleet_project_name")),
        sa.UniqueConstraint("uuid", name=op.f("uq_fleet_uuid")),
    )
    with op.batch_alter_table("fleet", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_fleet_project_created_at_id"), ["project", "created_at", "id"]
        )
        batch_op.create_index(batch_op.f("ix_fleet_created_at_id"), ["created_at", "id"])
    with op.batch_alter_table("board", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_board_fleet_created_at_id"), ["fleet", "created_at", "id"]
        )


def downgrade() -> None:
    """Go back."""
    with op.batch_alter_table("board", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_board_fleet_created_at_id"))
    op.drop_table("fleet")
