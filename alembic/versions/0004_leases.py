"""Leases: what only one process of the cloud does."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    made = op.create_table(
        "lease",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    # whoever writes locks this row first
    op.bulk_insert(made, [{"name": "writer", "holder": "", "beat": 0}])


def downgrade() -> None:
    """Go back."""
    op.drop_table("lease")
