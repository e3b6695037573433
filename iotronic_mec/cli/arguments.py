"""Values on the command line: pairs, JSON, files, places."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from iotronic_mec.cli.exits import UsageError


def pair(text: str) -> tuple[str, str]:
    """Read ``KEY=VALUE``.

    >>> pair("room=a=b")
    ('room', 'a=b')
    """
    key, sign, value = text.partition("=")
    if not key or not sign:
        raise ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


def typed_pair(text: str) -> tuple[str, Any]:
    """Read ``KEY=VALUE``, where the value is JSON if it can be, else text.

    >>> typed_pair("n=3"), typed_pair("n=three"), typed_pair('n="3"')
    (('n', 3), ('n', 'three'), ('n', '3'))
    """
    key, value = pair(text)
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def json_object(text: str) -> dict[str, Any]:
    """Read a JSON object, or the one in the file named after ``@``."""
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ArgumentTypeError(f"{text[1:]}: {_reason(error)}") from error
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ArgumentTypeError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ArgumentTypeError('a JSON object is expected, such as {"key": "value"}')
    return value


def place(text: str) -> list[dict[str, str]]:
    """Read ``LATITUDE,LONGITUDE[,ALTITUDE]`` into the API's list of one place.

    >>> place("38.2,15.5")
    [{'latitude': '38.2', 'longitude': '15.5', 'altitude': '0'}]
    """
    parts = [part.strip() for part in text.split(",")]
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or abs(numbers[0]) > 90 or abs(numbers[1]) > 180:
        raise ArgumentTypeError(f"{text!r} is not LATITUDE,LONGITUDE[,ALTITUDE] in degrees")
    latitude, longitude, altitude = (*parts, "0")[:3]
    return [{"latitude": latitude, "longitude": longitude, "altitude": altitude}]


def positive(text: str) -> float:
    """Read a number of seconds above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def count(text: str) -> int:
    """Read a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def port(text: str) -> int:
    """Read a TCP or UDP port.

    >>> port("22")
    22
    """
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise ArgumentTypeError(f"{text!r} is not a port from 1 to 65535")
    return int(text)


def merged(
    whole: dict[str, Any] | None, pairs: Iterable[tuple[str, Any]] | None
) -> dict[str, Any]:
    """Return an object with single keys set over it."""
    return {**(whole or {}), **dict(pairs or ())}


def read_file(path: str) -> bytes:
    """Return a file's bytes; ``-`` is the standard input.

    :raises UsageError: it cannot be read
    """
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
