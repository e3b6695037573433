"""What goes on under grants."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "grant_lease",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("board", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=36), nullable=False),
        sa.Column("grant", sa.String(length=36), nullable=False),
        sa.Column("lent_kind", sa.String(length=32), nullable=False),
        sa.Column("lent", sa.String(length=36), nullable=False),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("onboot", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grant_lease")),
        sa.UniqueConstraint(
            "board",
            "kind",
            "subject",
            "grant",
            name=op.f("uq_grant_lease_board_kind_subject_grant"),
        ),
    )
    with op.batch_alter_table("grant_lease", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_grant_lease_grant"), ["grant"])


def downgrade() -> None:
    """Go back."""
    op.drop_table("grant_lease")
