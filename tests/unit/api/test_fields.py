"""What bodies take, beyond the letter of JSON."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from iotronic_mec.api.fields import (
    UUID,
    Body,
    Boolean,
    Integer,
    JSONObject,
    Name,
    Text,
    UUIDOrName,
)


class Everything(Body):
    """A body with one field of each type."""

    boolean: Boolean | None = None
    integer: Integer | None = None
    json_object: JSONObject = Field(default_factory=dict)
    name: Name | None = None
    uuid: UUID | None = None
    ident: UUIDOrName | None = None
    text: Text | None = None


def read(**fields: Any) -> Everything:
    """Validate a body."""
    return Everything.model_validate(fields)


@pytest.mark.parametrize(
    ("given_value", "meant"),
    [
        (True, True),
        ("true", True),
        ("Yes", True),
        ("ON", True),
        ("1", True),
        ("t", True),
        (1, True),
        (False, False),
        ("false", False),
        ("n", False),
        ("0", False),
        (" off ", False),
    ],
)
def test_booleans(given_value: Any, meant: bool) -> None:
    """Upstream's words are booleans."""
    assert read(boolean=given_value).boolean is meant


@pytest.mark.parametrize("wrong", ["", "2", "maybe", [], {}, 2])
def test_no_booleans(wrong: Any) -> None:
    """Nothing else is."""
    with pytest.raises(ValidationError):
        read(boolean=wrong)


@pytest.mark.parametrize(("given_value", "meant"), [(22, 22), ("22", 22), ("-3", -3), (" 7 ", 7)])
def test_integers(given_value: Any, meant: int) -> None:
    """Digits in a string are an integer."""
    assert read(integer=given_value).integer == meant


@pytest.mark.parametrize("wrong", ["", "1.5", 1.5, True, "0x10", "9" * 30, 2**60, "--1", "²"])
def test_no_integers(wrong: Any) -> None:
    """Fractions, booleans and what JSON readers cannot keep are none."""
    with pytest.raises(ValidationError):
        read(integer=wrong)


@pytest.mark.parametrize(
    ("given_value", "meant"),
    [
        ({"a": 1}, {"a": 1}),
        ('{"a": true}', {"a": True}),
        ("{'a': 1}", {"a": 1}),
        ("", {}),
        (None, {}),
        ("{}", {}),
    ],
)
def test_objects(given_value: Any, meant: dict[str, Any]) -> None:
    """JSON text, Python's literals of old clients, and null are objects too."""
    assert read(json_object=given_value).json_object == meant


@pytest.mark.parametrize(
    "wrong", ["[1]", "1", "{", "__import__('os')", "{'a': {1, 2}}", [1], "(" * 5000]
)
def test_no_objects(wrong: Any) -> None:
    """What is no object, or no JSON value, is refused; nothing is ever run."""
    with pytest.raises(ValidationError):
        read(json_object=wrong)


def test_large_objects() -> None:
    """An object has its bound."""
    with pytest.raises(ValidationError, match="longer than"):
        read(json_object={"a": "x" * 300_000})


@pytest.mark.parametrize(
    "wrong", ["", "a b", "é", "x" * 256, "...", "0b1c2d3e-4f50-4a6b-8c7d-8e9fa0b1c2d3", "a/b"]
)
def test_no_names(wrong: str) -> None:
    """A name needs no quoting anywhere and looks like no uuid."""
    with pytest.raises(ValidationError):
        read(name=wrong)


def test_uuids() -> None:
    """A uuid comes in its normal form; a name passes as one of the two."""
    loose = "0B1C2D3E4F504A6B8C7D8E9FA0B1C2D3"

    assert read(uuid=loose).uuid == "0b1c2d3e-4f50-4a6b-8c7d-8e9fa0b1c2d3"
    assert read(ident=loose).ident == "0b1c2d3e-4f50-4a6b-8c7d-8e9fa0b1c2d3"
    assert read(ident="lamp").ident == "lamp"


def test_control_characters() -> None:
    """Words for people hold no control characters but line breaks and tabs."""
    assert read(text="two\nlines\t").text == "two\nlines\t"
    with pytest.raises(ValidationError):
        read(text="a\x1bb")


def test_unknown_keys() -> None:
    """No other key is taken."""
    with pytest.raises(ValidationError):
        read(colour="red")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_any_value_ends_well(value: Any) -> None:
    """Whatever a client sends is taken or refused, never an error of ours."""
    for field in Everything.model_fields:
        try:
            read(**{field: value})
        except ValidationError:
            continue
