"""When to look whether a lease may go on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    with op.batch_alter_table("grant_lease", schema=None) as batch_op:
        batch_op.add_column(sa.Column("check_at", sa.BigInteger(), nullable=True))
        batch_op.create_index(batch_op.f("ix_grant_lease_check_at"), ["check_at"])


def downgrade() -> None:
    """Go back."""
    with op.batch_alter_table("grant_lease", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_grant_lease_check_at"))
        batch_op.drop_column("check_at")
