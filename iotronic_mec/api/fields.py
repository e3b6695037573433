"""Types of body and query fields, lax where upstream's client is.

``python-iotronicclient`` sends every value of an ``*-update`` as a string, so
booleans, integers and JSON come as text and are taken as what they say.
Source: spec/iotronic-api.md section 1, booleans, integers, JSON fields.
"""

from __future__ import annotations

import ast
from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, RootModel
from pydantic.json_schema import WithJsonSchema

from iotronic_mec.ids import NAME, is_uuid, normal_uuid

MAX_JSON_TEXT = 262_144
"""Longest JSON field given as text, characters."""

MAX_LITERAL_TEXT = 16_384
"""Longest JSON field given as a Python literal, characters. Chosen here: hostile
text of this length keeps Python's parser busy for a tenth of a second, and of
:data:`MAX_JSON_TEXT` for ten."""

_TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "off", "0"})


class Body(BaseModel):
    """Base of all JSON bodies: unknown keys are refused.

    ``model_fields_set`` tells a PATCH which fields came.
    """

    model_config = ConfigDict(extra="forbid", str_max_length=1_048_576)


class Query(BaseModel):
    """Base of all queries: unknown arguments are refused."""

    model_config = ConfigDict(extra="forbid", str_max_length=4096)


class Shape(BaseModel):
    """Base of the models that only document an answer."""

    model_config = ConfigDict(extra="forbid")


class LinkShape(Shape):
    """An address of a thing."""

    href: str
    rel: str


class Words(RootModel[str]):
    """A JSON string, as upstream's clients print it."""


class WordsOrObject(RootModel[str | dict[str, Any]]):
    """A JSON string, or a JSON object where the action says so."""


def _boolean(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("true or false is expected")


def _integer(value: Any) -> Any:
    if isinstance(value, str):
        text = value.strip()
        digits = text.removeprefix("-")
        if digits.isascii() and digits.isdigit() and len(digits) <= 18:
            return int(text)
        raise ValueError("a whole number is expected")
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError("a whole number is expected")


def _json_object(value: Any) -> Any:
    if value is None:
        return {}
    if not isinstance(value, str):
        return value
    if not value.strip():
        return {}
    if len(value) > MAX_JSON_TEXT:
        raise ValueError(f"longer than {MAX_JSON_TEXT} characters")
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        pass
    if len(value) > MAX_LITERAL_TEXT:
        raise ValueError("a JSON object is expected")
    try:
        # upstream reads the text as a Python literal; old clients rely on it
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError("a JSON object is expected") from error


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    try:
        size = len(orjson.dumps(value))
    except TypeError as error:
        raise ValueError("only JSON values are allowed") from error
    if size > MAX_JSON_TEXT:
        raise ValueError(f"longer than {MAX_JSON_TEXT} bytes")
    return value


def _name(value: str) -> str:
    if not NAME.fullmatch(value) or not value.strip("."):
        raise ValueError("only letters, digits, '-', '.', '_' and '~' are allowed")
    if is_uuid(value):
        raise ValueError("must not look like a uuid")
    return value


def _uuid(value: str) -> str:
    if not is_uuid(value):
        raise ValueError("a uuid is expected")
    return normal_uuid(value)


def _uuid_or_name(value: str) -> str:
    if is_uuid(value):
        return normal_uuid(value)
    if not NAME.fullmatch(value):
        raise ValueError("a uuid or a name is expected")
    return value


def _printable(value: str) -> str:
    if any(ord(letter) < 32 and letter not in "\t\n\r" for letter in value) or "\x7f" in value:
        raise ValueError("control characters are not allowed")
    return value


Boolean = Annotated[
    bool,
    BeforeValidator(_boolean),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "boolean"},
                {"type": "string", "enum": sorted(_TRUE | _FALSE)},
            ]
        },
        mode="validation",
    ),
]
"""A JSON boolean, or one of upstream's words for it."""

Integer = Annotated[
    int,
    BeforeValidator(_integer),
    Field(ge=-(2**53), le=2**53),
]
"""A JSON integer, or its digits as a string; within what JSON readers keep."""

Limit = Annotated[int, BeforeValidator(_integer), Field(ge=1, le=2**53)]
"""How many items at most."""

Sequence = Annotated[int, BeforeValidator(_integer), Field(ge=0, le=2**53)]
"""A place in an ordered list."""

JSONObject = Annotated[
    dict[str, Any],
    BeforeValidator(_json_object),
    AfterValidator(_storable),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "object", "additionalProperties": True},
                {"type": "string", "description": "the object as JSON text"},
                {"type": "null"},
            ]
        },
        mode="validation",
    ),
]
"""A JSON object, or its text; null is the empty object."""

Name = Annotated[
    str,
    Field(min_length=1, max_length=255),
    AfterValidator(_name),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": 255,
            "pattern": "^[A-Za-z0-9._~-]{1,255}$",
            "not": {"pattern": "^([0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}|[.]+)$"},
        },
        mode="validation",
    ),
]
"""The name of something a tenant makes."""

UUID = Annotated[
    str,
    AfterValidator(_uuid),
    WithJsonSchema({"type": "string", "format": "uuid"}, mode="validation"),
]
"""A uuid, kept in lower case with dashes."""

UUIDOrName = Annotated[
    str,
    AfterValidator(_uuid_or_name),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9._~-]{1,255}$"}, mode="validation"),
]
"""How a thing is called in a body: by uuid or by name."""

Text = Annotated[str, Field(max_length=4096), AfterValidator(_printable)]
"""Words for people; no control characters."""

SortDirection = Literal["asc", "desc"]
