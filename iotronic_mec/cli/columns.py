"""Resources as rows: which fields, and how a cell looks in a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from cliff.columns import FormattableColumn

from iotronic_mec.sdk.resource import Resource

SHORT = 72
"""Longest JSON that stands in one line of a table, characters."""

Row = tuple[Sequence[str], Sequence[Any]]
"""Names and values of one thing."""

Rows = tuple[Sequence[str], Iterable[Sequence[Any]]]
"""Names and the values of each thing."""


class JsonDict(dict[str, Any]):
    """An object that is printed as JSON (``-f value``)."""

    def __str__(self) -> str:
        return json.dumps(self, ensure_ascii=False)


class JsonList(list[Any]):
    """A list that is printed as JSON (``-f value``)."""

    def __str__(self) -> str:
        return json.dumps(self, ensure_ascii=False)


class JsonCell(FormattableColumn[Any]):
    """A cell that is JSON: JSON in a table, itself with ``-f json``."""

    def human_readable(self) -> str:
        """Return what stands in a table; nothing for ``None``."""
        if self._value is None or self._value in ({}, []):
            return ""
        short = json.dumps(self._value, ensure_ascii=False)
        if len(short) <= SHORT:
            return short
        return json.dumps(self._value, ensure_ascii=False, indent=2)

    def machine_readable(self) -> Any:
        """Return what stands in JSON."""
        if isinstance(self._value, dict):
            return JsonDict(self._value)
        return JsonList(self._value) if isinstance(self._value, list) else self._value


def cell(value: Any) -> Any:
    """Return a value as a cell."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        value = list(value)
    return JsonCell(value) if value is None or isinstance(value, dict | list) else value


def plain(text: str) -> str:
    r"""Return a text that is another's with the letters that control a terminal as escapes.

    >>> plain("red: \x1b[31m, tab:\t.")
    'red: \\x1b[31m, tab:\t.'
    """
    if text.isprintable():
        return text
    return "".join(
        f"\\x{ord(letter):02x}"
        if letter != "\t" and (letter < " " or "\x7f" <= letter <= "\x9f")
        else letter
        for letter in text
    )


def one(resource: Resource, *, without: Iterable[str] = ()) -> Row:
    """Return all fields of a thing but some."""
    names = [each.name for each in fields(resource) if each.name not in set(without)]
    return names, [cell(getattr(resource, name)) for name in names]


def many(resources: Iterable[Resource], names: Sequence[str]) -> Rows:
    """Return some fields of many things."""
    return names, ([cell(getattr(each, name)) for name in names] for each in resources)
