"""Web services, boards whose web servers may be published, virtual ports."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
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
        "enabled_webservice",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("board_id", KEY, nullable=False),
        sa.Column("project", sa.String(length=36), nullable=False),
        sa.Column("dns", exact(100), nullable=False),
        sa.Column("zone", exact(100), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("http_port", sa.Integer(), nullable=False),
        sa.Column("https_port", sa.Integer(), nullable=False),
        sa.Column("extra", LONG_TEXT, nullable=False),
        sa.Column("state", sa.String(length=15), nullable=False),
        sa.Column("cause", LONG_TEXT, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["board_id"],
            ["board.id"],
            name=op.f("fk_enabled_webservice_board_id_board"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enabled_webservice")),
        sa.UniqueConstraint("board_id", name=op.f("uq_enabled_webservice_board_id")),
        sa.UniqueConstraint("dns", "zone", name=op.f("uq_enabled_webservice_dns_zone")),
        sa.UniqueConstraint("http_port", name=op.f("uq_enabled_webservice_http_port")),
        sa.UniqueConstraint("https_port", name=op.f("uq_enabled_webservice_https_port")),
        sa.UniqueConstraint("uuid", name=op.f("uq_enabled_webservice_uuid")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("enabled_webservice", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_enabled_webservice_project_created_at_id"),
            ["project", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_enabled_webservice_state"), ["state"], unique=False)

    op.create_table(
        "virtual_port",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("board_id", KEY, nullable=False),
        sa.Column("project", sa.String(length=36), nullable=False),
        sa.Column("network", sa.String(length=36), nullable=False),
        sa.Column("subnet", sa.String(length=36), nullable=True),
        sa.Column("security_groups", LONG_TEXT, nullable=False),
        sa.Column("tcp_port", sa.Integer(), nullable=False),
        sa.Column("mac", sa.String(length=32), nullable=True),
        sa.Column("ip", sa.String(length=45), nullable=True),
        sa.Column("prefix_length", sa.Integer(), nullable=True),
        sa.Column("external", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=15), nullable=False),
        sa.Column("cause", LONG_TEXT, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["board_id"],
            ["board.id"],
            name=op.f("fk_virtual_port_board_id_board"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_virtual_port")),
        sa.UniqueConstraint("tcp_port", name=op.f("uq_virtual_port_tcp_port")),
        sa.UniqueConstraint("uuid", name=op.f("uq_virtual_port_uuid")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("virtual_port", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_virtual_port_board_id_created_at_id"),
            ["board_id", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_virtual_port_project_created_at_id"),
            ["project", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_virtual_port_state"), ["state"], unique=False)

    op.create_table(
        "webservice",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("board_id", KEY, nullable=False),
        sa.Column("project", sa.String(length=36), nullable=False),
        sa.Column("name", exact(63), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("secure", sa.Boolean(), nullable=False),
        sa.Column("host", exact(253), nullable=False),
        sa.Column("extra", LONG_TEXT, nullable=False),
        sa.Column("state", sa.String(length=15), nullable=False),
        sa.Column("cause", LONG_TEXT, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["board_id"],
            ["board.id"],
            name=op.f("fk_webservice_board_id_board"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webservice")),
        sa.UniqueConstraint("board_id", "name", name=op.f("uq_webservice_board_id_name")),
        sa.UniqueConstraint("board_id", "port", name=op.f("uq_webservice_board_id_port")),
        sa.UniqueConstraint("uuid", name=op.f("uq_webservice_uuid")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("webservice", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_webservice_board_id_created_at_id"),
            ["board_id", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_webservice_project_created_at_id"),
            ["project", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_webservice_state"), ["state"], unique=False)


def downgrade() -> None:
    """Go back."""
    op.drop_table("webservice")
    op.drop_table("virtual_port")
    op.drop_table("enabled_webservice")
