"""JSON bodies, queries and answers of the routes of enabled web services."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic.json_schema import WithJsonSchema

from iotronic_mec import hostname
from iotronic_mec.api.fields import Body, JSONObject, Shape
from iotronic_mec.api.paging import PageQuery

_LOCAL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._%+-]{0,62}[A-Za-z0-9])?")
_ONE = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LABELS = f"^{_ONE}(\\.{_ONE})*$"


def _name(value: str) -> str:
    name = value.lower()
    if not hostname.is_hostname(name):
        raise ValueError("labels of 1 to 63 letters, digits and '-', with dots between, expected")
    return name


def _zone(value: str) -> str:
    name = _name(value.removesuffix("."))
    if hostname.is_address(name):
        raise ValueError("a zone whose last label is a number is none")
    return name


def _email(value: str) -> str:
    local, at, domain = value.rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or not hostname.is_hostname(domain.lower()):
        raise ValueError("an address as someone@example.org is expected")
    return value


DNSName = Annotated[
    str,
    Field(min_length=1, max_length=100),
    AfterValidator(_name),
    WithJsonSchema(
        {"type": "string", "minLength": 1, "maxLength": 100, "pattern": _LABELS},
        mode="validation",
    ),
]
"""A part of a host name: one label or several, kept in lower case."""

Zone = Annotated[
    str,
    Field(min_length=1, max_length=100),
    AfterValidator(_zone),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": 99,
            "pattern": _LABELS,
            "not": {"pattern": "(^|\\.)[0-9]+$"},
        },
        mode="validation",
    ),
]
"""A DNS zone, with or without a dot at the end; kept in lower case without."""

Email = Annotated[
    str,
    Field(min_length=3, max_length=254),
    AfterValidator(_email),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": 254,
            "pattern": f"^[A-Za-z0-9]([A-Za-z0-9._%+-]{{0,62}}[A-Za-z0-9])?@{_ONE}(\\.{_ONE})*$",
        },
        mode="validation",
    ),
]
"""An address for mail, of letters, digits and ``._%+-`` before the @."""


class EnableBody(Body):
    """The name of a board, and whom a certificate authority may write to."""

    dns: DNSName
    zone: Zone
    email: Email
    extra: JSONObject = Field(default_factory=dict)


class RenewBody(Body):
    """Nothing is to be said."""


class EnabledQuery(PageQuery):
    """Which boards are wanted."""


class EnabledShape(Shape):
    """A board whose web servers may be published."""

    board_uuid: str | None = None
    project: str | None = None
    http_port: int | None = Field(None, description="public port to the board's port 80")
    https_port: int | None = Field(None, description="public port to the board's port 443")
    dns: str | None = None
    zone: str | None = None
    host: str | None = Field(None, description="dns and zone together")
    email: str | None = None
    extra: dict[str, Any] | None = None
    state: str | None = Field(None, description="opening, open or closing")
    cause: dict[str, Any] | None = Field(None, description="why it is being closed")
    driver: str | None = Field(None, description="of the proxy; 'fake' publishes nothing")
    created_at: str | None = None
    updated_at: str | None = None


class EnabledList(Shape):
    """A page of boards whose web servers may be published."""

    EnabledWebservices: list[EnabledShape]
    next: str | None = None
