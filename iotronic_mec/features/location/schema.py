"""Query and answer of the route of places."""

from __future__ import annotations

from pydantic import Field

from iotronic_mec.api.fields import UUID, Limit, Query, Shape, SortDirection


class LocationQuery(Query):
    """A page of a board's places."""

    limit: Limit | None = Field(None, description="most items in the answer")
    marker: UUID | None = Field(None, description="marker of the next page, as in next")
    sort_dir: SortDirection = Field("asc", description="oldest or newest first")


class LocationShape(Shape):
    """Where a board was, from when on."""

    longitude: str
    latitude: str
    altitude: str
    updated_at: str | None = None


class LocationList(Shape):
    """A page of the places a board has been at."""

    locations: list[LocationShape]
    next: str | None = None
