"""Queries and answers of the request routes."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from iotronic_mec.api.fields import Shape
from iotronic_mec.api.paging import PageQuery


class RequestQuery(PageQuery):
    """What a list of requests may be narrowed by."""

    state: str | None = Field(
        None,
        description="one of our states",
        pattern="^(queued|dispatched|running|succeeded|failed|timed_out|cancelled|rejected|lost)$",
    )


class RequestShape(Shape):
    """A request; ``status`` is IoTronic's word, ``state`` ours."""

    uuid: str | None = None
    destination_uuid: str | None = None
    main_request_uuid: str | None = None
    pending_requests: int | None = None
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

    uuid: str
    board_uuid: str
    request_uuid: str
    result: str
    message: Any = None
    state: str
    cause: dict[str, Any] | None = None
    created_at: str | None = None
    updated_at: str | None = None


class ResultList(Shape):
    """The results of a request and of its child requests."""

    results: list[ResultShape]
