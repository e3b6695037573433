"""Queries and answers of the routes of sealed segments."""

from __future__ import annotations

from pydantic import Field

from iotronic_mec.api.fields import Limit, Query, Sequence, Shape, SortDirection


class SegmentQuery(Query):
    """Which segments are wanted."""

    limit: Limit | None = Field(None, description="most segments in the answer")
    marker: Sequence | None = Field(
        None, description="`last` of the last segment of the page before"
    )
    sort_dir: SortDirection = Field("asc", description="direction of the sequence")


class SegmentShape(Shape):
    """A range of the audit whose rows are in a file."""

    uuid: str
    first: int = Field(description="sequence of its first row")
    last: int = Field(description="sequence of its last row; the next segment follows on it")
    previous: str = Field(description="hash of the row before the first")
    hash: str = Field(description="hash of the last row, which the row after it names")
    digest: str = Field(description="SHA-256 of the file")
    size: int = Field(description="of the file, bytes")
    file: str = Field(description="name of the file when it is handed out")
    first_at: str = Field(description="time of the first row")
    last_at: str = Field(description="time of the last row")
    created_at: str = Field(description="when it was sealed")


class SegmentList(Shape):
    """A page of segments."""

    segments: list[SegmentShape]
    next: str | None = None
