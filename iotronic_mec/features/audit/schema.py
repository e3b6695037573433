"""Queries and answers of the audit routes."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from iotronic_mec.api.fields import Limit, Query, Sequence, Shape, SortDirection


class AuditQuery(Query):
    """Which rows are wanted."""

    limit: Limit | None = Field(None, description="most rows in the answer")
    marker: Sequence | None = Field(
        None, description="sequence of the last row of the page before"
    )
    sort_dir: SortDirection = Field("asc", description="direction of the sequence")
    project: str | None = Field(None, max_length=64, description="administrators only")
    user: str | None = Field(None, max_length=64, description="uuid of who did it")
    action: str | None = Field(None, max_length=64, description="for instance `board.create`")
    target_kind: str | None = Field(None, max_length=64, description="for instance `board`")
    target: str | None = Field(None, max_length=255, description="uuid of what it was done to")
    outcome: str | None = Field(None, max_length=32, description="for instance `success`")
    request_id: str | None = Field(None, max_length=64, description="`req-` and a uuid")


class AuditRowShape(Shape):
    """Who did what to what, and how it ended."""

    sequence: int = Field(description="1, 2, 3, … without a gap")
    time: str
    project: str = Field(description="empty for the cloud's own work")
    user: str
    user_name: str
    action: str
    target_kind: str
    target: str
    outcome: str
    reason: str
    request_id: str
    details: dict[str, Any]
    previous: str = Field(description="hash of the row before, 64 zeros in the first")
    hash: str = Field(description="SHA-256 over the canonical JSON of all other fields")


class AuditList(Shape):
    """A page of the audit."""

    audit: list[AuditRowShape]
    begins: int = Field(
        description="sequence of the oldest row that is listed here; those before it are in "
        "sealed segments"
    )
    next: str | None = None


class HeadShape(Shape):
    """The end of the chain."""

    head: str = Field(description="`<sequence>:<hash>`, to be kept elsewhere")
    sequence: int = Field(description="of the last row, 0 before the first")
    hash: str = Field(description="of the last row, 64 zeros before the first")
