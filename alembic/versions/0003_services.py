"""Services, exposed services, and what is held outside for boards."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
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
        "holding",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("holder", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=15), nullable=False),
        sa.Column("key", exact(255), nullable=True),
        sa.Column("project", sa.String(length=36), nullable=False),
        sa.Column("board", sa.String(length=36), nullable=False),
        sa.Column("spec", LONG_TEXT, nullable=False),
        sa.Column("facts", LONG_TEXT, nullable=False),
        sa.Column("state", sa.String(length=15), nullable=False),
        sa.Column("cause", LONG_TEXT, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("retry_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holding")),
        sa.UniqueConstraint("key", name=op.f("uq_holding_key")),
        sa.UniqueConstraint("uuid", name=op.f("uq_holding_uuid")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("holding", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_holding_board"), ["board"], unique=False)
        batch_op.create_index(batch_op.f("ix_holding_holder"), ["holder"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_holding_state_retry_at"), ["state", "retry_at"], unique=False
        )

    op.create_table(
        "service",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("project", sa.String(length=36), nullable=False),
        sa.Column("name", exact(255), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("protocol", sa.String(length=3), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("extra", LONG_TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service")),
        sa.UniqueConstraint("project", "name", name=op.f("uq_service_project_name")),
        sa.UniqueConstraint("uuid", name=op.f("uq_service_uuid")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("service", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_service_created_at_id"), ["created_at", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_service_project_created_at_id"),
            ["project", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_service_public_name"), ["public", "name"], unique=False
        )

    op.create_table(
        "exposed_service",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("board_id", KEY, nullable=False),
        sa.Column("service_id", KEY, nullable=False),
        sa.Column("public_port", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=15), nullable=False),
        sa.Column("cause", LONG_TEXT, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["board_id"],
            ["board.id"],
            name=op.f("fk_exposed_service_board_id_board"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["service.id"], name=op.f("fk_exposed_service_service_id_service")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exposed_service")),
        sa.UniqueConstraint(
            "board_id", "service_id", name=op.f("uq_exposed_service_board_id_service_id")
        ),
        sa.UniqueConstraint("public_port", name=op.f("uq_exposed_service_public_port")),
        sa.UniqueConstraint("uuid", name=op.f("uq_exposed_service_uuid")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("exposed_service", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_exposed_service_board_id_created_at_id"),
            ["board_id", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_exposed_service_service_id"), ["service_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_exposed_service_state"), ["state"], unique=False)


def downgrade() -> None:
    """Go back."""
    op.drop_table("exposed_service")
    op.drop_table("service")
    op.drop_table("holding")
