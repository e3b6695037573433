"""JSON bodies, queries and answers of the board routes."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema

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
    UUIDOrName,
)
from iotronic_mec.api.paging import PageQuery
from lightning_agent.protocol import names

_NUMBER = re.compile(r"-?[0-9]{1,6}(\.[0-9]{1,10})?")
_LABEL_KEY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._/-]{0,62}")


def _coordinate(limit: float) -> Any:
    def check(value: str) -> str:
        if not _NUMBER.fullmatch(value) or not -limit <= float(value) <= limit:
            raise ValueError(f"a decimal number from {-limit:g} to {limit:g} is expected")
        return value

    return check


def _labels(value: dict[str, str]) -> dict[str, str]:
    if len(value) > 64:
        raise ValueError("at most 64 labels are allowed")
    for key, text in value.items():
        if not _LABEL_KEY.fullmatch(key):
            raise ValueError(
                f"label {key[:63]!r}: 1 to 63 letters, digits, '.', '_', '/' or '-' are allowed"
            )
        if len(text) > 255 or not text.isprintable():
            raise ValueError(f"label {key}: at most 255 printable characters are allowed")
    return value


def _code(value: str) -> str:
    if not names.CODE.fullmatch(value):
        raise ValueError("8 to 36 letters, digits, '-', '.', '_' or '~' are allowed")
    return value


def _place(limit: float) -> Any:
    return Annotated[
        str,
        Field(max_length=18, coerce_numbers_to_str=True),
        AfterValidator(_coordinate(limit)),
        WithJsonSchema(
            {
                "type": "string",
                "pattern": r"^-?[0-9]{1,6}(\.[0-9]{1,10})?$",
                "description": f"a decimal number from {-limit:g} to {limit:g}",
            },
            mode="validation",
        ),
    ]


Labels = Annotated[
    dict[str, str],
    AfterValidator(_labels),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": 64,
            "propertyNames": {"pattern": "^[a-zA-Z0-9][a-zA-Z0-9._/-]{0,62}$"},
            "additionalProperties": {"type": "string", "pattern": "^[ -~]{0,255}$"},
        },
        mode="validation",
    ),
]
"""Keys and values an owner sorts boards by."""

Code = Annotated[
    str,
    AfterValidator(_code),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9._~-]{8,36}$"}, mode="validation"),
]
"""An enrolment code."""


def _near(value: str) -> str:
    try:
        latitude, longitude, radius_m = (float(part) for part in value.split(","))
    except ValueError as error:
        raise ValueError("latitude,longitude,metres are expected, as 46.5,6.6,1000") from error
    if not (abs(latitude) <= 90 and abs(longitude) <= 180 and 0 <= radius_m <= 20_100_000):
        raise ValueError("latitude -90..90, longitude -180..180, metres 0..20100000 are expected")
    return value


Near = Annotated[
    str,
    Field(max_length=64),
    AfterValidator(_near),
    WithJsonSchema(
        {"type": "string", "pattern": r"^-?[0-9]{1,2},-?[0-9]{1,2},[0-9]{1,6}$"},
        mode="validation",
    ),
]
"""A circle on the earth: degrees and metres, decimals allowed."""


class LocationBody(Body):
    """Degrees and metres, as decimal text."""

    longitude: _place(180.0)  # type: ignore[valid-type]
    latitude: _place(90.0)  # type: ignore[valid-type]
    altitude: _place(100_000.0)  # type: ignore[valid-type]


class BoardCreate(Body):
    """A new board. ``code`` is generated when it is left out."""

    name: Name
    code: Code | None = None
    uuid: UUID | None = None
    type: Text | None = Field(None, max_length=255)
    mobile: Boolean = False
    fleet: UUIDOrName | None = Field(None, description="a fleet of the project, by uuid or name")
    extra: JSONObject = Field(default_factory=dict)
    labels: Labels = Field(default_factory=dict)
    location: list[LocationBody] = Field(default_factory=list, max_length=16)


class BoardUpdate(Body):
    """Fields of a board to change; the others stay."""

    name: Name | None = None
    type: Text | None = Field(None, max_length=255)
    mobile: Boolean | None = None
    fleet: UUIDOrName | None = Field(None, description="null takes the board out of its fleet")
    extra: JSONObject | None = None
    labels: Labels | None = None
    location: list[LocationBody] | None = Field(None, max_length=16)


class BoardQuery(PageQuery):
    """What a list of boards may be narrowed by."""

    status: str | None = Field(
        None, description="registered, offline or online", pattern="^(registered|offline|online)$"
    )
    project: UUID | None = Field(None, description="another project; administrators only")
    near: Near | None = Field(
        None, description="latitude,longitude,metres: only boards that are within"
    )
    label: str | None = Field(
        None,
        description="key=value, several separated by commas",
        max_length=1024,
        pattern=r"^[^=,]{1,63}=[^,]{0,255}(,[^=,]{1,63}=[^,]{0,255})*$",
    )


class BoardListQuery(BoardQuery):
    """What the list of all boards may be narrowed by."""

    fleet: UUIDOrName | None = Field(None, description="a fleet of the project, uuid or name")


class FieldsQuery(Query):
    """Which fields of one thing are wanted."""

    fields: str | None = Field(None, description="comma-separated names of fields to show")


class NewCode(Body):
    """A new enrolment code; generated when it is left out."""

    code: Code | None = None


class LocationShape(Shape):
    """Where a board is."""

    longitude: str
    latitude: str
    altitude: str
    updated_at: str | None = None


class BoardShape(Shape):
    """A board; a list shows a part of the fields."""

    uuid: str | None = None
    name: str | None = None
    code: str | None = Field(None, description="only in the answer that makes it")
    enrol_url: str | None = Field(None, description="only with a code")
    status: str | None = None
    type: str | None = None
    owner: str | None = None
    project: str | None = None
    agent: str | None = None
    session: str | None = None
    wstun_ip: str | None = None
    fleet: str | None = None
    mobile: bool | None = None
    lr_version: str | None = None
    level: str | None = Field(None, description="what the board's sandbox holds")
    mac_addr: str | None = None
    connectivity: dict[str, Any] | None = None
    capabilities: dict[str, Any] | None = None
    location: list[LocationShape] | None = None
    labels: dict[str, str] | None = None
    extra: dict[str, Any] | None = None
    config: dict[str, Any] | None = None
    status_at: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    links: list[LinkShape] | None = None


class BoardList(Shape):
    """A page of boards."""

    boards: list[BoardShape]
    next: str | None = None


class CodeShape(Shape):
    """A new enrolment code and where to use it."""

    uuid: str
    code: str
    enrol_url: str


class PingBody(Body):
    """What is sent to a board and back."""

    say: str = Field("", max_length=65_536, description="comes back as it is")


class PingShape(Shape):
    """What came back, and how long it took; ``round_trip_ms`` from the cloud to the board."""

    board: str
    say: str
    round_trip_ms: float


class MayPingShape(Shape):
    """A board the caller may ping; ``agent`` is the wamp agent it is bound to."""

    board: str
    status: str
    agent: str | None
