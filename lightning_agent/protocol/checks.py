"""What a field of a message may hold; one function a field, made once from its type.

A message passes here with every call to a board, on both sides, so that the
types are looked at when a class is first met and not with each message.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable
from typing import Any, TypeAlias

from lightning_agent.protocol import names
from lightning_agent.protocol.errors import BadMessage

MAX_TEXT = 65_536
"""Longest text field, characters."""

MAX_ITEMS = 10_000
"""Most entries of a list field."""

MAX_INTEGER = 2**31
"""Integer fields (sizes, pids, versions) are below this, and never negative."""

STATES = ("running", "succeeded", "failed", "timed_out", "cancelled", "rejected")
"""What a board may say of an operation; ``running`` is the only one not final."""

Check: TypeAlias = Callable[[Any, str], Any]
"""Takes a value and where it stands; returns it as the field wants it.

:raises BadMessage: names where it stands and the rule
"""

_UUID_FIELDS = frozenset({"board", "operation", "request", "plugin"})
_KEY_FIELDS = frozenset({"public_key", "lease_key"})
_LISTS_OF_OPERATIONS = ("known", "wanted", "unconfirmed", "leased")
_HEAD = re.compile(r"[0-9]{1,18}:[0-9a-f]{64}")
_KEY = re.compile(r"[0-9a-f]{64}")


def check_of(hint: Any, name: str) -> Check:
    """Return the check of a field.

    :param hint: its type; a class with ``from_wire`` for a message inside it
    :param name: of the field, which says what a text has to be
    """
    if hint is Any:
        return _anything
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        inner = next(part for part in typing.get_args(hint) if part is not types.NoneType)
        return _or_none(check_of(inner, name))
    if origin is list:
        item = typing.get_args(hint)[0]
        return _list_of(check_of(item, _single(name) if item is str else name))
    if origin is dict:
        return _dictionary
    if hasattr(hint, "from_wire"):
        return lambda value, where: hint.from_wire(value)
    return {str: _text_of(name), int: _integer, float: _number}.get(hint) or _exactly(hint)


def _single(name: str) -> str:
    """Return what an entry of a list of texts is called: the list's name in the singular."""
    return "operation" if name in _LISTS_OF_OPERATIONS else name.removesuffix("s")


def _anything(value: Any, where: str) -> Any:
    return value


def _or_none(check: Check) -> Check:
    return lambda value, where: None if value is None else check(value, where)


def _list_of(check: Check) -> Check:
    def of_list(value: Any, where: str) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise BadMessage(f"{where}: a list is expected")
        if len(value) > MAX_ITEMS:
            raise BadMessage(f"{where}: more than {MAX_ITEMS} entries")
        return [check(item, f"{where}[{at}]") for at, item in enumerate(value)]

    return of_list


def _dictionary(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise BadMessage(f"{where}: a dictionary with text keys is expected")
    return value


def _exactly(hint: type) -> Check:
    def of_type(value: Any, where: str) -> Any:
        if type(value) is not hint:
            raise BadMessage(f"{where}: {hint.__name__} is expected, not {type(value).__name__}")
        return value

    return of_type


def _integer(value: Any, where: str) -> int:
    if type(value) is not int:
        raise BadMessage(f"{where}: int is expected, not {type(value).__name__}")
    if not 0 <= value < MAX_INTEGER:
        raise BadMessage(f"{where}: out of the range 0 to {MAX_INTEGER - 1}")
    return value


def _number(value: Any, where: str) -> float:
    if type(value) is int and abs(value) < MAX_INTEGER:
        value = float(value)
    if type(value) is not float:
        raise BadMessage(f"{where}: float is expected, not {type(value).__name__}")
    if not 0 <= value < 1e9:
        raise BadMessage(f"{where}: out of the range 0 to 1e9")
    return value


def _text_of(name: str) -> Check:
    rule = _rule_of(name)

    def of_text(value: Any, where: str) -> str:
        if type(value) is not str:
            raise BadMessage(f"{where}: str is expected, not {type(value).__name__}")
        if len(value) > MAX_TEXT:
            raise BadMessage(f"{where}: longer than {MAX_TEXT} characters")
        if rule is not None and rule[0](value) is None:
            raise BadMessage(f"{where}: {rule[1]}")
        return value

    return of_text


def _rule_of(name: str) -> tuple[Callable[[str], object], str] | None:
    """Return what finds a text good, and what is said of one that is not."""
    if name in _UUID_FIELDS:
        return names.UUID.fullmatch, "not a lower-case uuid"
    if name == "digest":
        return names.DIGEST.fullmatch, "not a SHA-256 in hexadecimal digits"
    if name == "audit_head":
        return _HEAD.fullmatch, "not <sequence>:<sha256>"
    if name in _KEY_FIELDS:
        return _KEY.fullmatch, "not 64 hexadecimal digits"
    if name == "state":
        known = dict.fromkeys(STATES, True)
        return known.get, f"not one of {', '.join(STATES)}"
    return None
