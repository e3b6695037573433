"""Rules on blobs: room is reserved before an upload, within the project's quota."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from iotronic_mec.context import Context
from iotronic_mec.errors import BadRequest
from iotronic_mec.feature import Parts
from iotronic_mec.features.blob import store
from iotronic_mec.features.blob.model import KEEP_UNUSED, QuotaExceeded, Reservation, Usage
from iotronic_mec.ids import new_uuid
from iotronic_mec.rpc.expose import expose

if TYPE_CHECKING:
    from sqlalchemy import Connection


BYTES = "bytes"
"""The quota's name; its default is ``[conductor] project_quota_bytes``."""


class BlobCommands:
    """Room for uploads.

    :param parts: what commands are built from
    :param made: the commands of earlier features; none is needed
    """

    namespace = "blob"

    def __init__(self, parts: Parts, made: Mapping[str, Any]) -> None:
        self._parts = parts

    @expose
    def reserve(self, context: Context, *, size_bytes: int) -> dict[str, Any]:
        """Reserve room for an upload; it ends by its use, a release, or in an hour.

        :param size_bytes: most bytes the upload will have, >= 0
        :returns: ``{"reservation"}``
        :raises QuotaExceeded: says what is used and what is free
        """
        if size_bytes < 0:
            raise BadRequest("size_bytes: must not be negative", details={"field": "size_bytes"})
        room = Reservation(
            uuid=new_uuid(),
            project=context.project,
            size=size_bytes,
            created_at=self._parts.clock.now(),
        )

        def change(connection: Connection) -> None:
            used = store.usage(connection, context.project)
            most = self._parts.quota.limit(connection, context.project, BYTES)
            check_quota(used, size_bytes, most)
            store.reserve(connection, room)

        self._parts.database.write(change)
        return {"reservation": room.uuid}

    @expose
    def release(self, context: Context, *, reservation: str) -> None:
        """Give back the room of an upload that failed; one that is gone is no error."""
        self._parts.database.write(lambda connection: store.release(connection, reservation))


def check_quota(used: Usage, size_bytes: int, quota_bytes: int) -> None:
    """Let an upload pass that the quota has room for.

    :param quota_bytes: below 0 for any number
    :raises QuotaExceeded: says what is used and what is free
    """
    if quota_bytes < 0:
        return
    free = max(0, quota_bytes - used.stored - used.reserved)
    if size_bytes <= free:
        return
    minutes = int(KEEP_UNUSED.total_seconds() // 60)
    raise QuotaExceeded(
        f"{size_bytes} bytes are needed and {free} of the project's {quota_bytes} are free;"
        f" {used.unused} more become free within {minutes} minutes",
        details={
            "quota": quota_bytes,
            "stored": used.stored,
            "unused": used.unused,
            "reserved": used.reserved,
            "needed": size_bytes,
        },
    )
