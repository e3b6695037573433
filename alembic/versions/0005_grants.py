"""Grants, and their uses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LONG_TEXT = sa.Text().with_variant(sa.Text(16_777_215), "mysql", "mariadb")


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "grant",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("parent", sa.String(length=36), nullable=True),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("by_user", sa.String(length=64), nullable=False),
        sa.Column("by_project", sa.String(length=64), nullable=False),
        sa.Column("to_kind", sa.String(length=8), nullable=False),
        sa.Column("to", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("target", sa.String(length=36), nullable=False),
        sa.Column("actions", LONG_TEXT, nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("hours", LONG_TEXT, nullable=True),
        sa.Column("max_uses", sa.BigInteger(), nullable=True),
        sa.Column("relend", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("description", sa.String(length=1024), nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grant")),
        sa.UniqueConstraint("uuid", name=op.f("uq_grant_uuid")),
    )
    with op.batch_alter_table("grant", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_grant_to_owner"), ["to", "owner"])
        batch_op.create_index(batch_op.f("ix_grant_parent"), ["parent"])
        batch_op.create_index(
            batch_op.f("ix_grant_by_project_created_at_id"), ["by_project", "created_at", "id"]
        )
        batch_op.create_index(batch_op.f("ix_grant_kind_target"), ["kind", "target"])
    op.create_table(
        "grant_use",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("grant", sa.String(length=36), nullable=False),
        sa.Column("user", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("target", sa.String(length=36), nullable=False),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("request", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grant_use")),
        sa.UniqueConstraint("uuid", name=op.f("uq_grant_use_uuid")),
    )
    with op.batch_alter_table("grant_use", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_grant_use_grant_created_at_id"), ["grant", "created_at", "id"]
        )
        batch_op.create_index(batch_op.f("ix_grant_use_request"), ["request"])


def downgrade() -> None:
    """Go back."""
    op.drop_table("grant_use")
    op.drop_table("grant")
