"""Routes of sealed segments; they are made by the cloud alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from iotronic_mec.api import paging
from iotronic_mec.api.controller import Answer, Call
from iotronic_mec.feature import Route
from iotronic_mec.features.audit_segment import store
from iotronic_mec.features.audit_segment.model import SealedSegment
from iotronic_mec.features.audit_segment.schema import SegmentList, SegmentQuery, SegmentShape

_PIECE_BYTES = 262_144
_MEDIA_TYPE = "application/gzip"


def index(call: Call) -> dict[str, Any]:
    """List segments in the order of the chain."""
    query: SegmentQuery = call.query
    page = paging.Page(
        limit=min(query.limit or call.settings.max_limit, call.settings.max_limit),
        descending=query.sort_dir == "desc",
    )
    with call.database.read() as connection:
        rows = store.list_segments(
            connection, limit=page.limit, after=query.marker or 0, descending=page.descending
        )
    return paging.collection(call, "segments", rows, page, SealedSegment.to_wire, _marker)


def show(call: Call) -> dict[str, Any]:
    """Show one segment."""
    return _get(call).to_wire()


def download(call: Call) -> Answer:
    """Give the file of a segment."""
    segment = _get(call).segment
    return Answer(
        body=_pieces(call.storage.open(segment.digest)),
        length=segment.size,
        media_type=_MEDIA_TYPE,
        headers={
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": f'attachment; filename="{segment.name}"',
            "ETag": f'"{segment.digest}"',
        },
    )


def _get(call: Call) -> SealedSegment:
    with call.database.read() as connection:
        return store.get(connection, call.path["segment"])


def _marker(sealed: SealedSegment) -> str:
    return str(sealed.segment.last)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


ROUTES = (
    Route(
        method="GET",
        path="/v1/audit/segments",
        handler=index,
        policy="iot:audit_segment:get",
        summary="List the sealed segments of the audit",
        query=SegmentQuery,
        answer=SegmentList,
    ),
    Route(
        method="GET",
        path="/v1/audit/segments/{segment}",
        handler=show,
        policy="iot:audit_segment:get",
        summary="Show a sealed segment of the audit",
        answer=SegmentShape,
    ),
    Route(
        method="GET",
        path="/v1/audit/segments/{segment}/file",
        handler=download,
        policy="iot:audit_segment:download",
        summary="Download the rows of a sealed segment, as lines of JSON in gzip",
        media_type=_MEDIA_TYPE,
    ),
)
