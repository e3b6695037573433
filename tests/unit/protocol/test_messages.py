"""Messages between cloud and board: what travels is what was meant, or is refused by its field."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_agent.protocol import checks, messages, names, version
from lightning_agent.protocol.checks import MAX_INTEGER
from lightning_agent.protocol.device import DEVICE_MESSAGES, Parameters
from lightning_agent.protocol.errors import BadMessage
from lightning_agent.protocol.messages import MESSAGES, Message, OperationCall

FINGERPRINTS = {
    1: "8d34b3dd39907ac1",
    2: "7e98b9b3bbc45869",
    3: "76bed17d4f1e6f4e",
    4: "66bad80943f39f6a",
    5: "896572b8b4efd0c3",
    6: "171046d1e95df74f",
}
"""Protocol version to the hash of all its messages. Changed a field? Raise
``PROTOCOL_VERSION`` and add a line; never change a line of a version that was released."""

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=4,
)
UUIDS = st.uuids().map(str)
DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)
SPECIAL = {
    **dict.fromkeys(("board", "operation", "request", "plugin"), UUIDS),
    **dict.fromkeys(
        ("operations", "known", "wanted", "unconfirmed", "leased"), st.lists(UUIDS, max_size=3)
    ),
    **dict.fromkeys(("digest", "public_key"), DIGESTS),
    "lease_key": st.none() | DIGESTS,
    "audit_head": st.none() | st.builds("{}:{}".format, st.integers(0, 10**17), DIGESTS),
    "state": st.sampled_from(checks.STATES),
}
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=5),
    int: st.integers(0, MAX_INTEGER - 1),
    bool: st.booleans(),
    float: st.floats(0, 1e8),
    Any: JSON_VALUES,
}


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Return what a field of this type may hold."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return st.none() | values_of(parts[0])
    if origin is list:
        return st.lists(values_of(parts[0]), max_size=2)
    if origin is dict:
        return st.dictionaries(st.text(max_size=3), JSON_VALUES, max_size=2)
    return PLAIN[hint] if hint in PLAIN else messages_of(hint)


def messages_of(kind: type[Message]) -> st.SearchStrategy[Message]:
    """Return messages of a kind with all their fields."""
    hints = typing.get_type_hints(kind)
    fields = {
        name: SPECIAL[name] if name in SPECIAL else values_of(hint) for name, hint in hints.items()
    }
    return st.builds(kind, **fields)


ANY_MESSAGE = st.one_of([messages_of(kind) for kind in MESSAGES])


@settings(max_examples=150, deadline=None)
@given(ANY_MESSAGE)
def test_round_trip(message: Message) -> None:
    """Every message comes back from its wire form, which is JSON and may hold more keys."""
    wire = json.loads(json.dumps(message.to_wire()))

    found = type(message).from_wire({**wire, "of a newer version": 1})

    assert found == message


def fingerprint() -> str:
    """Return the hash of all fields of all messages: names, types, whether they may lack."""
    fields = {
        kind.__name__: [
            [
                field.name,
                str(field.type),
                field.default is dataclasses.MISSING
                and field.default_factory is dataclasses.MISSING,
            ]
            for field in dataclasses.fields(kind)  # type: ignore[arg-type]
        ]
        for kind in (*MESSAGES, *DEVICE_MESSAGES)
    }
    vocabulary = [sorted(names.PROCEDURES), sorted(names.REPORTS), names.ENROL, checks.STATES]
    return hashlib.sha256(json.dumps([fields, vocabulary]).encode()).hexdigest()[:16]


def test_fingerprint() -> None:
    """Whoever changes a message raises the protocol's version."""
    assert fingerprint() == FINGERPRINTS[version.PROTOCOL_VERSION]


def test_versions() -> None:
    """The present version is accepted, an unknown one is not."""
    assert version.is_accepted(version.PROTOCOL_VERSION)
    assert not version.is_accepted(version.PROTOCOL_VERSION + 1)
    assert not version.is_accepted(None)


def test_all_messages_are_listed() -> None:
    """No message escapes the fingerprint."""
    # a dataclass with slots is a second class of the same name
    assert {kind.__name__ for kind in MESSAGES} == {
        kind.__name__ for kind in Message.__subclasses__() if kind is not Parameters
    }
    assert {kind.__name__ for kind in DEVICE_MESSAGES} == {
        kind.__name__ for kind in Parameters.__subclasses__()
    }


REQUIRED = [
    (kind, field.name)
    for kind in MESSAGES
    for field in dataclasses.fields(kind)  # type: ignore[arg-type]
    if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
]


@pytest.mark.parametrize(("kind", "name"), REQUIRED)
def test_missing_field(kind: type[Message], name: str) -> None:
    """A message without a required field is refused; the field is named."""
    wire = sample(kind)
    del wire[name]

    with pytest.raises(BadMessage, match=rf"{kind.__name__}\.{name}: the field is missing"):
        kind.from_wire(wire)


TYPED = [
    (kind, name)
    for kind in MESSAGES
    for name, hint in typing.get_type_hints(kind).items()
    if hint is not Any
]


@pytest.mark.parametrize(("kind", "name"), TYPED)
def test_wrong_type(kind: type[Message], name: str) -> None:
    """A field of another type is refused; the field is named."""
    with pytest.raises(BadMessage, match=rf"{name}|a dictionary is expected"):
        kind.from_wire({**sample(kind), name: b"bytes"})


CALL: dict[str, Any] = {
    "operation": "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb",
    "request": "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb",
    "action": "DeviceEcho",
    "project": "p",
    "user": "u",
    "remaining_s": 1,
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("operation", "BBBBBBBB-bbbb-4bbb-8bbb-bbbbbbbbbbbb"),
        ("operation", "../../etc/passwd"),
        ("request", CALL["operation"] + "\n"),
        ("action", "x" * (checks.MAX_TEXT + 1)),
        ("remaining_s", -0.1),
        ("remaining_s", float("nan")),
        ("remaining_s", float("inf")),
        ("remaining_s", 10**400),
        ("remaining_s", True),
        ("parameters", {1: 2}),
        ("parameters", [["a", 1]]),
    ],
    ids=range(11),
)
def test_out_of_bounds(name: str, value: Any) -> None:
    """A value out of its bounds is refused; the field is named."""
    with pytest.raises(BadMessage, match=rf"OperationCall\.{name}"):
        OperationCall.from_wire({**CALL, name: value})


@pytest.mark.parametrize("pid", [-1, MAX_INTEGER, 2**63, True, 1.0])
def test_integers(pid: Any) -> None:
    """Integers are whole, not negative, and fit every database."""
    wire = {"plugin": CALL["operation"], "digest": "0" * 64, "pid": pid}

    with pytest.raises(BadMessage, match=r"PluginActual\.pid"):
        messages.PluginActual.from_wire(wire)


def test_entry_of_a_list_is_named() -> None:
    """Of a list the entry that is wrong is named."""
    wire = {"operations": [CALL["operation"], "no uuid"]}

    with pytest.raises(BadMessage, match=r"OperationList\.operations\[1\]"):
        messages.OperationList.from_wire(wire)


def test_long_list() -> None:
    """A list over the limit is refused before its entries are looked at."""
    with pytest.raises(BadMessage, match="entries"):
        messages.OperationList.from_wire({"operations": [0] * (checks.MAX_ITEMS + 1)})


@pytest.mark.parametrize("state", ["lost", "queued", "", "SUCCEEDED"])
def test_states_of_boards(state: str) -> None:
    """A board may not say that an operation is lost, or use words of its own."""
    with pytest.raises(BadMessage, match=r"OperationAnswer\.state"):
        messages.OperationAnswer.from_wire({"operation": CALL["operation"], "state": state})


@pytest.mark.parametrize("wire", [None, [], "x", 1])
def test_no_dictionary(wire: object) -> None:
    """What is no dictionary is no message."""
    with pytest.raises(BadMessage, match="a dictionary is expected"):
        OperationCall.from_wire(wire)


@settings(max_examples=100)
@given(kind=st.sampled_from(MESSAGES), wire=st.dictionaries(st.text(), JSON_VALUES, max_size=3))
def test_anything_else_is_one_error(kind: type[Message], wire: dict[str, Any]) -> None:
    """Whatever is received is a message or the one error, never another one."""
    try:
        found: Message | None = kind.from_wire(wire)
    except BadMessage:
        found = None

    assert found is None or isinstance(found, kind)


def sample(kind: type[Message]) -> dict[str, Any]:
    """Return the wire form of a message of a kind, its lists empty."""
    found: dict[str, Any] = {}
    for name, hint in typing.get_type_hints(kind).items():
        found[name] = _sample_field(name, hint)
    return found


def _sample_field(name: str, hint: Any) -> Any:
    fixed = {"state": "failed", "digest": "0" * 64, "public_key": "0" * 64}
    if name in fixed:
        return fixed[name]
    if name in ("board", "operation", "request", "plugin"):
        return CALL["operation"]
    if isinstance(hint, type) and issubclass(hint, Message):
        return sample(hint)
    origin = typing.get_origin(hint)
    plain = {str: "x", int: 1, bool: True, float: 1.0, list: [], dict: {}}
    return plain.get(origin or hint)
