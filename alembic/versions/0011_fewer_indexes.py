"""Fewer indexes written with every order: none nobody asks, and open ones only.

A request that is stored with its end enters neither of the two partial indexes.
MariaDB has no partial indexes and keeps the whole ones.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

UNUSED = (
    ("event", "ix_event_project_id", ["project", "id"]),
    ("event", "ix_event_created_at", ["created_at"]),
    ("request", "ix_request_board", ["board"]),
)
OF_OPEN = (
    ("request", "ix_request_state_deadline_at", ["state", "deadline_at"]),
    ("operation", "ix_operation_board_state", ["board", "state"]),
)
OPEN = sa.text("state IN ('dispatched', 'queued', 'running')")


def upgrade() -> None:
    """Go forward."""
    for table, name, _ in UNUSED:
        op.drop_index(name, table_name=table)
    if _has_partial():
        for table, name, columns in OF_OPEN:
            op.drop_index(name, table_name=table)
            op.create_index(name, table, columns, sqlite_where=OPEN, postgresql_where=OPEN)


def downgrade() -> None:
    """Go back."""
    if _has_partial():
        for table, name, columns in OF_OPEN:
            op.drop_index(name, table_name=table)
            op.create_index(name, table, columns)
    for table, name, columns in UNUSED:
        op.create_index(name, table, columns)


def _has_partial() -> bool:
    return op.get_bind().dialect.name in ("sqlite", "postgresql")
