"""The tables of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
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
        "audit",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("user", sa.String(length=64), nullable=False),
        sa.Column("user_name", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("target_kind", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=255), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sa.UniqueConstraint("sequence", name=op.f("uq_audit_sequence")),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_audit_project_sequence"), ["project", "sequence"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_audit_target_sequence"), ["target", "sequence"], unique=False
        )

    op.create_table(
        "blob",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=36), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("unused_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blob")),
        sa.UniqueConstraint("digest", "project", name=op.f("uq_blob_digest_project")),
    )
    with op.batch_alter_table("blob", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_blob_project"), ["project"], unique=False)
        batch_op.create_index(batch_op.f("ix_blob_unused_at"), ["unused_at"], unique=False)

    op.create_table(
        "blob_reservation",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("project", sa.String(length=36), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blob_reservation")),
        sa.UniqueConstraint("uuid", name=op.f("uq_blob_reservation_uuid")),
    )
    with op.batch_alter_table("blob_reservation", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_blob_reservation_created_at"), ["created_at"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_blob_reservation_project"), ["project"], unique=False)

    op.create_table(
        "board",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("project", sa.String(length=36), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("name", exact(255), nullable=False),
        sa.Column("type", sa.String(length=255), nullable=True),
        sa.Column("status", sa.String(length=15), nullable=False),
        sa.Column("status_at", sa.BigInteger(), nullable=True),
        sa.Column("agent", sa.String(length=36), nullable=True),
        sa.Column("session", sa.String(length=20), nullable=True),
        sa.Column("fleet", sa.String(length=36), nullable=True),
        sa.Column("mobile", sa.Boolean(), nullable=False),
        sa.Column("lr_version", sa.String(length=20), nullable=True),
        sa.Column("level", sa.String(length=20), nullable=True),
        sa.Column("public_key", sa.String(length=64), nullable=True),
        sa.Column("connectivity", LONG_TEXT, nullable=False),
        sa.Column("capabilities", LONG_TEXT, nullable=False),
        sa.Column("extra", LONG_TEXT, nullable=False),
        sa.Column("config", LONG_TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_board")),
        sa.UniqueConstraint("project", "name", name=op.f("uq_board_project_name")),
        sa.UniqueConstraint("uuid", name=op.f("uq_board_uuid")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("board", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_board_agent_status"), ["agent", "status"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_board_created_at_id"), ["created_at", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_board_project_created_at_id"),
            ["project", "created_at", "id"],
            unique=False,
        )

    op.create_table(
        "enrolment_code",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("board", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("public_key", sa.String(length=64), nullable=True),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrolment_code")),
        sa.UniqueConstraint("digest", name=op.f("uq_enrolment_code_digest")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("enrolment_code", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_enrolment_code_board"), ["board"], unique=False)

    op.create_table(
        "event",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("project", sa.String(length=36), nullable=False),
        sa.Column("topic", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_event_created_at"), ["created_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_event_project_id"), ["project", "id"], unique=False)

    op.create_table(
        "event_position",
        sa.Column("consumer", sa.String(length=64), nullable=False),
        sa.Column("sequence", KEY, nullable=False),
        sa.PrimaryKeyConstraint("consumer", name=op.f("pk_event_position")),
    )
    op.create_table(
        "idempotency",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("mark", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("salt", sa.String(length=36), nullable=False),
        sa.Column("boot", sa.String(length=36), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.LargeBinary(length=16777215), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_idempotency")),
        sa.UniqueConstraint("mark", name=op.f("uq_idempotency_mark")),
    )
    with op.batch_alter_table("idempotency", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_idempotency_began_at"), ["began_at"], unique=False)

    op.create_table(
        "plugin",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("project", sa.String(length=36), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("name", exact(255), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("callable", sa.Boolean(), nullable=False),
        sa.Column("parameters", LONG_TEXT, nullable=False),
        sa.Column("extra", LONG_TEXT, nullable=False),
        sa.Column("format", sa.String(length=8), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plugin")),
        sa.UniqueConstraint("project", "name", name=op.f("uq_plugin_project_name")),
        sa.UniqueConstraint("uuid", name=op.f("uq_plugin_uuid")),
    )
    with op.batch_alter_table("plugin", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_plugin_created_at_id"), ["created_at", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_plugin_project_created_at_id"),
            ["project", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_plugin_public_created_at_id"),
            ["public", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_plugin_public_name"), ["public", "name"], unique=False
        )

    op.create_table(
        "project",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("name", exact(255), nullable=False),
        sa.Column("description", sa.String(length=4096), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project")),
        sa.UniqueConstraint("name", name=op.f("uq_project_name")),
        sa.UniqueConstraint("uuid", name=op.f("uq_project_uuid")),
    )
    with op.batch_alter_table("project", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_project_created_at_id"), ["created_at", "id"], unique=False
        )

    op.create_table(
        "request",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("project", sa.String(length=36), nullable=False),
        sa.Column("user", sa.String(length=64), nullable=False),
        sa.Column("board", sa.String(length=36), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("main_request", sa.String(length=36), nullable=True),
        sa.Column("pending", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("cause", LONG_TEXT, nullable=True),
        sa.Column("deadline_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request")),
        sa.UniqueConstraint("uuid", name=op.f("uq_request_uuid")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("request", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_request_board"), ["board"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_request_created_at_id"), ["created_at", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_request_project_created_at_id"),
            ["project", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_request_state_deadline_at"), ["state", "deadline_at"], unique=False
        )

    op.create_table(
        "blob_use",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("blob_id", KEY, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("target", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["blob_id"], ["blob.id"], name=op.f("fk_blob_use_blob_id_blob")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blob_use")),
        sa.UniqueConstraint(
            "blob_id", "kind", "target", name=op.f("uq_blob_use_blob_id_kind_target")
        ),
    )
    with op.batch_alter_table("blob_use", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_blob_use_kind_target"), ["kind", "target"], unique=False
        )

    op.create_table(
        "board_label",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("board_id", KEY, nullable=False),
        sa.Column("key", exact(63), nullable=False),
        sa.Column("value", exact(255), nullable=False),
        sa.ForeignKeyConstraint(
            ["board_id"],
            ["board.id"],
            name=op.f("fk_board_label_board_id_board"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_board_label")),
        sa.UniqueConstraint("board_id", "key", name=op.f("uq_board_label_board_id_key")),
    )
    with op.batch_alter_table("board_label", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_board_label_key_value_board_id"),
            ["key", "value", "board_id"],
            unique=False,
        )

    op.create_table(
        "board_location",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("board_id", KEY, nullable=False),
        sa.Column("longitude", sa.String(length=18), nullable=False),
        sa.Column("latitude", sa.String(length=18), nullable=False),
        sa.Column("altitude", sa.String(length=18), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["board_id"],
            ["board.id"],
            name=op.f("fk_board_location_board_id_board"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_board_location")),
    )
    with op.batch_alter_table("board_location", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_board_location_board_id_id"), ["board_id", "id"], unique=False
        )

    op.create_table(
        "identity_user",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("name", exact(255), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("project_id", KEY, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_identity_user_project_id_project")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_user")),
        sa.UniqueConstraint("name", name=op.f("uq_identity_user_name")),
        sa.UniqueConstraint("uuid", name=op.f("uq_identity_user_uuid")),
    )
    with op.batch_alter_table("identity_user", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_identity_user_created_at_id"), ["created_at", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_identity_user_project_id"), ["project_id"], unique=False
        )

    op.create_table(
        "injection",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("board_id", KEY, nullable=False),
        sa.Column("plugin_id", KEY, nullable=False),
        sa.Column("status", sa.String(length=15), nullable=False),
        sa.Column("onboot", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", KEY, nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("running", sa.Boolean(), nullable=False),
        sa.Column("parameters", LONG_TEXT, nullable=False),
        sa.Column("actual", sa.String(length=64), nullable=True),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("started_at", sa.String(length=40), nullable=True),
        sa.Column("cause", LONG_TEXT, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["board_id"],
            ["board.id"],
            name=op.f("fk_injection_board_id_board"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["plugin_id"], ["plugin.id"], name=op.f("fk_injection_plugin_id_plugin")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_injection")),
        sa.UniqueConstraint("board_id", "plugin_id", name=op.f("uq_injection_board_id_plugin_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("injection", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_injection_plugin_id"), ["plugin_id"], unique=False)

    op.create_table(
        "operation",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("request_id", KEY, nullable=False),
        sa.Column("board", sa.String(length=36), nullable=False),
        sa.Column("procedure", sa.String(length=40), nullable=False),
        sa.Column("parameters", LONG_TEXT, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("message", LONG_TEXT, nullable=True),
        sa.Column("cause", LONG_TEXT, nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["request.id"],
            name=op.f("fk_operation_request_id_request"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operation")),
        sa.UniqueConstraint("uuid", name=op.f("uq_operation_uuid")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("operation", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_operation_board_state"), ["board", "state"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_operation_request_id"), ["request_id"], unique=False)

    op.create_table(
        "identity_role",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("project_id", KEY, nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_identity_role_project_id_project")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["identity_user.id"],
            name=op.f("fk_identity_role_user_id_identity_user"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_role")),
        sa.UniqueConstraint(
            "user_id", "project_id", "role", name=op.f("uq_identity_role_user_id_project_id_role")
        ),
    )
    with op.batch_alter_table("identity_role", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_identity_role_project_id"), ["project_id"], unique=False
        )

    op.create_table(
        "token",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("name", exact(255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("project_id", KEY, nullable=False),
        sa.Column("role", sa.String(length=64), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
            name=op.f("fk_token_project_id_project"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["identity_user.id"],
            name=op.f("fk_token_user_id_identity_user"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token")),
        sa.UniqueConstraint("digest", name=op.f("uq_token_digest")),
        sa.UniqueConstraint("uuid", name=op.f("uq_token_uuid")),
    )
    with op.batch_alter_table("token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_token_project_id"), ["project_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_token_user_id_created_at_id"),
            ["user_id", "created_at", "id"],
            unique=False,
        )


def downgrade() -> None:
    """Go back."""
    """Go back."""
    with op.batch_alter_table("token", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_token_user_id_created_at_id"))
        batch_op.drop_index(batch_op.f("ix_token_project_id"))

    op.drop_table("token")
    with op.batch_alter_table("identity_role", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_identity_role_project_id"))

    op.drop_table("identity_role")
    with op.batch_alter_table("operation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_operation_request_id"))
        batch_op.drop_index(batch_op.f("ix_operation_board_state"))

    op.drop_table("operation")
    with op.batch_alter_table("injection", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_injection_plugin_id"))

    op.drop_table("injection")
    with op.batch_alter_table("identity_user", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_identity_user_project_id"))
        batch_op.drop_index(batch_op.f("ix_identity_user_created_at_id"))

    op.drop_table("identity_user")
    with op.batch_alter_table("board_location", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_board_location_board_id_id"))

    op.drop_table("board_location")
    with op.batch_alter_table("board_label", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_board_label_key_value_board_id"))

    op.drop_table("board_label")
    with op.batch_alter_table("blob_use", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_blob_use_kind_target"))

    op.drop_table("blob_use")
    with op.batch_alter_table("request", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_request_state_deadline_at"))
        batch_op.drop_index(batch_op.f("ix_request_project_created_at_id"))
        batch_op.drop_index(batch_op.f("ix_request_created_at_id"))
        batch_op.drop_index(batch_op.f("ix_request_board"))

    op.drop_table("request")
    with op.batch_alter_table("project", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_project_created_at_id"))

    op.drop_table("project")
    with op.batch_alter_table("plugin", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_plugin_public_name"))
        batch_op.drop_index(batch_op.f("ix_plugin_public_created_at_id"))
        batch_op.drop_index(batch_op.f("ix_plugin_project_created_at_id"))
        batch_op.drop_index(batch_op.f("ix_plugin_created_at_id"))

    op.drop_table("plugin")
    with op.batch_alter_table("idempotency", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_idempotency_began_at"))

    op.drop_table("idempotency")
    op.drop_table("event_position")
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_event_project_id"))
        batch_op.drop_index(batch_op.f("ix_event_created_at"))

    op.drop_table("event")
    with op.batch_alter_table("enrolment_code", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_enrolment_code_board"))

    op.drop_table("enrolment_code")
    with op.batch_alter_table("board", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_board_project_created_at_id"))
        batch_op.drop_index(batch_op.f("ix_board_created_at_id"))
        batch_op.drop_index(batch_op.f("ix_board_agent_status"))

    op.drop_table("board")
    with op.batch_alter_table("blob_reservation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_blob_reservation_project"))
        batch_op.drop_index(batch_op.f("ix_blob_reservation_created_at"))

    op.drop_table("blob_reservation")
    with op.batch_alter_table("blob", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_blob_unused_at"))
        batch_op.drop_index(batch_op.f("ix_blob_project"))

    op.drop_table("blob")
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_target_sequence"))
        batch_op.drop_index(batch_op.f("ix_audit_project_sequence"))

    op.drop_table("audit")
