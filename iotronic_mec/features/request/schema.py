"""Queries and answers of the request routes."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from iotronic_mec.api.fields import UUID, Shape
from iotronic_mec.api.paging import PageQuery


class RequestQuery(PageQuery):
    """What a list of requests may be narrowed by."""

    state: str | None = Field(
        None,
        description="one of our states",
        pattern="^(queued|dispatched|running|succeeded|failed|timed_out|cancelled|rejected|lost)$",
    )


class ResultQuery(PageQuery):
    """What the results of a request may be narrowed by."""

    state: str | None = Field(
        None,
        description="one of our states",
        pattern="^(queued|dispatched|running|succeeded|failed|timed_out|cancelled|rejected|lost)$",
    )
    board: UUID | None = Field(None, description="the result of this board only")


class RequestShape(Shape):
    """A request; ``status`` is IoTronic's word, ``state`` ours."""

    uuid: str | None = None
    destination_uuid: str | None = None
    main_request_uuid: str | None = None
    pending_requests: int | None = Field(None, description="boards that have not ended")
    total: int | None = Field(None, description="boards it is for")
    status: str | None = None
    project: str | None = None
    type: int | None = None
    action: str | None = None
    state: str | None = None
    cause: dict[str, Any] | None = None
    user: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    deadline_at: str | None = None
    links: list[dict[str, str]] | None = None


class RequestList(Shape):
    """A page of requests."""

    requests: list[RequestShape]
    next: str | None = None


class ResultShape(Shape):
    """One board's part; ``result`` is IoTronic's word, ``state`` ours."""

    uuid: str | None = None
    board_uuid: str | None = None
    request_uuid: str | None = None
    result: str | None = None
    message: Any = None
    state: str | None = None
    cause: dict[str, Any] | None = None
    created_at: str | None = None
    updated_at: str | None = None


class ResultList(Shape):
    """The results of a request and of its child requests."""

    results: list[ResultShape]
    next: str | None = None
