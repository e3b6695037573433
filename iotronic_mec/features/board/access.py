"""Which board an order means: the own project's, or one a grant lends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iotronic_mec import ids
from iotronic_mec.context import Context
from iotronic_mec.feature import Lendable, Parts
from iotronic_mec.features.board import store
from iotronic_mec.features.board.model import BoardNotFound, Target

if TYPE_CHECKING:
    from sqlalchemy import Connection

LENDABLE = Lendable(find=store.find_place, resolve=store.resolve_place)
"""Boards, to grants."""

WORDS = {
    "board.get": "show the board, and explain its state",
    "board.action": "have it do an action; `board.action:<name>` for one, as `DeviceEcho`",
}
"""What can be lent of a board, beside its plugins."""


def find_target(
    parts: Parts, connection: Connection, context: Context, board: str, action: str
) -> Target:
    """Return the board an order means: the own project's, or one that is lent.

    :param action: word of what is to be done, as grants call it
    :raises BoardNotFound: there is none, or nothing lets the order pass
    """
    try:
        return store.find_target(connection, context.project, board, every=context.is_admin)
    except BoardNotFound as missing:
        if not ids.is_uuid(board):
            raise
        uuid = ids.normal_uuid(board)
        lent = parts.access.find(connection, context, "board", uuid, action, missing)
        if lent is None:
            raise
        found = store.find_target(connection, context.project, uuid, every=True)
        return replace(found, lent=(lent,))
