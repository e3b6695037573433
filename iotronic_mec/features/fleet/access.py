"""Which fleet an order means: the own project's, or one a grant lends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iotronic_mec import ids
from iotronic_mec.context import Context
from iotronic_mec.feature import Parts
from iotronic_mec.features.fleet import store
from iotronic_mec.features.fleet.model import KIND, Fleet, FleetNotFound

if TYPE_CHECKING:
    from sqlalchemy import Connection

MAX_LENT = 1000
"""Most boards of a lent fleet one order may be for. The grants are looked at, and their
uses counted, board by board in one transaction, and everybody else's wait for it."""


def find_ordered(
    parts: Parts, connection: Connection, context: Context, fleet: str, action: str
) -> tuple[Fleet, bool]:
    """Return the fleet an order means, and whether its boards are the caller's own.

    Where they are not, what lets the order pass is asked for each board.

    :param action: word of what is to be done, as grants call it
    :raises FleetNotFound: there is none, or nothing lets the order pass
    """
    try:
        found = store.get_fleet(connection, context.project, fleet, every=context.is_admin)
    except FleetNotFound as missing:
        if not ids.is_uuid(fleet):
            raise
        uuid = ids.normal_uuid(fleet)
        if parts.access.find(connection, context, KIND, uuid, action, missing) is None:
            raise
        return store.get_fleet(connection, context.project, uuid, every=True), False
    return found, True
