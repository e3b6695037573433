"""JSON bodies, queries and answers of the fleet routes."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from iotronic_mec.api.fields import (
    UUID,
    Body,
    Boolean,
    JSONObject,
    LinkShape,
    Name,
    Query,
    Shape,
    Text,
)
from iotronic_mec.api.paging import PageQuery

Description = Annotated[Text, Field(max_length=300)]
"""What a fleet is for, in a few words. Source: spec/iotronic-api.md section 2.8."""


class FleetCreate(Body):
    """A new fleet."""

    name: Name
    description: Description = ""
    extra: JSONObject = Field(default_factory=dict)


class FleetUpdate(Body):
    """Fields of a fleet to change; the others stay."""

    name: Name | None = None
    description: Description | None = None
    extra: JSONObject | None = None


class FleetQuery(PageQuery):
    """What a list of fleets may be narrowed by."""

    project: UUID | None = Field(None, description="another project; administrators only")


class FieldsQuery(Query):
    """Which fields of one thing are wanted."""

    fields: str | None = Field(None, description="comma-separated names of fields to show")


class DeleteQuery(Query):
    """What is to become of the boards of a deleted fleet."""

    release: Boolean = Field(
        False, description="take its boards out first; otherwise a fleet with boards stays"
    )


class FleetShape(Shape):
    """A named set of boards."""

    uuid: str | None = None
    name: str | None = None
    project: str | None = None
    description: str | None = None
    extra: dict[str, Any] | None = None
    created_at: str | None = None
    updated_at: str | None = None
    links: list[LinkShape] | None = None


class FleetList(Shape):
    """A page of fleets."""

    fleets: list[FleetShape]
    next: str | None = None
