"""Reads the one kind of pickle IoTronic wrote: a single string, as text.

Nothing is executed and no pickle machine is used: the text is either exactly
the opcodes of one string (protocol 0), or it is refused. A pickle can run any
code when it is loaded the usual way, and tenants could write these themselves.
Source: Python documentation, module ``pickletools``, opcodes UNICODE, STRING,
PUT and STOP.
"""

from __future__ import annotations

import ast
import re

_UNICODE = re.compile(r"V(?P<text>[^\n]*)\n(?:p\d+\n)?\.\n?")
_STRING = re.compile(r"S(?P<text>'[^'\n]*'|\"[^\"\n]*\"|'(?:[^'\\\n]|\\.)*')\n(?:p\d+\n)?\.\n?")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})")


class NotAString(ValueError):
    """The text is no pickle of one string."""


def looks_pickled(text: str) -> bool:
    """Whether a text ends like a pickle, and so is no Python source."""
    return text.rstrip("\n").endswith("\n.")


def read_string(text: str) -> str:
    r"""Return the string a text pickle of it holds.

    >>> read_string("Vprint(1)\\u000a\np0\n.")
    'print(1)\n'

    :raises NotAString: it is anything else
    """
    found = _UNICODE.fullmatch(text)
    if found is not None:
        return _ESCAPE.sub(_character, found["text"])
    found = _STRING.fullmatch(text)
    if found is not None:
        try:
            value = ast.literal_eval(found["text"])
        except (SyntaxError, ValueError) as error:
            raise NotAString("the text in quotes cannot be read") from error
        if isinstance(value, str):
            return value
    raise NotAString("it is no pickle of one string; nothing else is read")


def _character(found: re.Match[str]) -> str:
    number = int(found[1] or found[2], 16)
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        raise NotAString("it holds a character that does not exist")
    return chr(number)
