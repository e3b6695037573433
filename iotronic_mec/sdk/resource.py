"""What all things of the API have in common: how they are read off JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self

from iotronic_mec.sdk.errors import UnexpectedAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A thing of the API. Fields the answer did not hold have their default."""

    @classmethod
    def from_wire(cls, wire: Any) -> Self:
        """Read one object of JSON; fields not known here are left out.

        :raises UnexpectedAnswer: when it is no object
        """
        if not isinstance(wire, Mapping):
            raise UnexpectedAnswer(f"{cls.__name__.lower()}: an object was expected")
        try:
            known = {
                each.name: each.metadata.get("read", _as_is)(wire[each.name])
                for each in fields(cls)
                if each.name in wire
            }
            return cls(**known)
        except TypeError as error:
            raise UnexpectedAnswer(f"{cls.__name__.lower()}: {error}") from error


def read_moment(text: Any) -> datetime | None:
    """Read a moment; ``None`` when there is none.

    :raises UnexpectedAnswer: when it is no ISO 8601
    """
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise UnexpectedAnswer(f"{str(text)[:64]!r} is no moment of ISO 8601") from error


MOMENT = {"read": read_moment}
"""Metadata of a field that holds a moment."""


def _as_is(value: Any) -> Any:
    return value
