"""JSON bodies, queries and answers of the web service routes."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic.json_schema import WithJsonSchema

from iotronic_mec import hostname
from iotronic_mec.api.fields import (
    Body,
    Boolean,
    Integer,
    JSONObject,
    LinkShape,
    Query,
    Shape,
)
from iotronic_mec.api.paging import PageQuery


def _label(value: str) -> str:
    label = value.lower()
    if not hostname.is_label(label):
        raise ValueError("one label of letters, digits and '-' is expected")
    return label


Label = Annotated[
    str,
    Field(min_length=1, max_length=45),
    AfterValidator(_label),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": 45,
            "pattern": "^[A-Za-z0-9]([A-Za-z0-9-]{0,43}[A-Za-z0-9])?$",
        },
        mode="validation",
    ),
]
"""The first label of a host name; kept in lower case."""


class WebserviceCreate(Body):
    """A web server of a board to publish."""

    name: Label
    port: Annotated[Integer, Field(ge=1, le=65_535)]
    secure: Boolean = Field(True, description="whether plain HTTP is redirected to HTTPS")
    extra: JSONObject = Field(default_factory=dict)


class WebserviceQuery(PageQuery):
    """Which web services are wanted."""


class FieldsQuery(Query):
    """Which fields of one thing are wanted."""

    fields: str | None = Field(None, description="comma-separated names of fields to show")


class WebserviceShape(Shape):
    """A web server of a board under a host name."""

    uuid: str | None = None
    name: str | None = None
    port: int | None = Field(None, description="on the board")
    board_uuid: str | None = None
    project: str | None = None
    secure: bool | None = None
    host: str | None = Field(None, description="its full name")
    extra: dict[str, Any] | None = None
    state: str | None = Field(None, description="opening, open or closing")
    cause: dict[str, Any] | None = Field(None, description="why it is being closed")
    driver: str | None = Field(None, description="of the proxy; 'fake' publishes nothing")
    created_at: str | None = None
    updated_at: str | None = None
    links: list[LinkShape] | None = None


class WebserviceList(Shape):
    """A page of web services."""

    webservices: list[WebserviceShape]
    next: str | None = None
