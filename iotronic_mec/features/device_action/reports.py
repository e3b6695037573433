"""What follows from the ends of actions, in the transaction that writes the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iotronic_mec.feature import Parts
from iotronic_mec.features.device_action import store
from iotronic_mec.features.injection.commands import forget_board
from iotronic_mec.features.request.model import Operation
from iotronic_mec.operation import SUCCEEDED

if TYPE_CHECKING:
    from sqlalchemy import Connection


def reset_finished(parts: Parts, connection: Connection, ended: Operation) -> None:
    """After a factory reset no plugin is wanted on the board any more."""
    if ended.state == SUCCEEDED:
        forget_board(parts, connection, ended.board)


def rest_finished(parts: Parts, connection: Connection, ended: Operation) -> None:
    """Forget what was sent: it may hold passwords, and is kept no longer than needed."""
    del parts
    store.scrub(connection, ended.uuid)
