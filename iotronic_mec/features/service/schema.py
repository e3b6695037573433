"""JSON bodies, queries and answers of the service routes."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic.json_schema import WithJsonSchema

from iotronic_mec.api.fields import (
    Body,
    Boolean,
    Integer,
    JSONObject,
    LinkShape,
    Name,
    Query,
    Shape,
)
from iotronic_mec.api.paging import PageQuery
from iotronic_mec.features.service.model import PROTOCOLS


def _protocol(value: Any) -> str:
    word = value.strip().upper() if isinstance(value, str) else ""
    if word not in PROTOCOLS:
        raise ValueError(f"one of {', '.join(PROTOCOLS)} is expected")
    return word


Port = Annotated[Integer, Field(ge=1, le=65_535)]
"""A TCP or UDP port, or its digits as a string."""

Protocol = Annotated[
    str,
    BeforeValidator(_protocol),
    WithJsonSchema({"type": "string", "enum": list(PROTOCOLS)}, mode="validation"),
]
"""TCP, UDP or ANY, in whatever case."""


class ServiceCreate(Body):
    """A new service."""

    name: Name
    port: Port
    protocol: Protocol = "TCP"
    public: Boolean = Field(False, description="whether other projects may expose it")
    extra: JSONObject = Field(default_factory=dict)


class ServiceUpdate(Body):
    """Fields of a service to change; the others stay."""

    name: Name | None = None
    port: Port | None = None
    protocol: Protocol | None = None
    public: Boolean | None = None
    extra: JSONObject | None = None


class ServiceQuery(PageQuery):
    """Which services are wanted."""

    with_public: Boolean = Field(False, description="also the public ones of other projects")
    all_services: Boolean = Field(False, description="of all projects; administrators only")


class ServiceDeletion(Query):
    """Whether a service that is exposed is withdrawn first."""

    force: Boolean = Field(
        False,
        description="withdraw it from all boards first, those of other projects too; it is "
        "public no more from then on, also where that does not end at once (409)",
    )


class FieldsQuery(Query):
    """Which fields of one thing are wanted."""

    fields: str | None = Field(None, description="comma-separated names of fields to show")


class ServiceShape(Shape):
    """A port of boards with a name."""

    uuid: str | None = None
    name: str | None = None
    project: str | None = None
    port: int | None = None
    protocol: str | None = None
    public: bool | None = None
    extra: dict[str, Any] | None = None
    created_at: str | None = None
    updated_at: str | None = None
    links: list[LinkShape] | None = None


class ServiceList(Shape):
    """A page of services."""

    services: list[ServiceShape]
    next: str | None = None
