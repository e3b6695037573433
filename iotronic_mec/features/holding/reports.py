"""What happens to holdings when a board is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iotronic_mec.feature import Parts
from iotronic_mec.features.holding import store

if TYPE_CHECKING:
    from sqlalchemy import Connection


def board_deleted(parts: Parts, connection: Connection, board: str) -> None:
    """Have everything held for the board given back, soon and until it is."""
    store.close_of(connection, parts.clock.now(), board=board)
