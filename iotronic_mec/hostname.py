"""Host names, checked before they reach a name server or a configuration file.

Source: RFC 1123 section 2.1 (letters, digits and hyphens; a label may begin
with a digit), RFC 1035 section 2.3.4 (63 octets a label, 255 a name, which
leaves 253 characters of text).
"""

from __future__ import annotations

import re

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

MAX_CHARACTERS = 253
"""Longest host name, characters without the dot at the end."""


def is_label(text: str) -> bool:
    """Say whether the text is one label in lower case.

    >>> is_label("web-1"), is_label("-web"), is_label("a.b"), is_label("a\\n")
    (True, False, False, False)
    """
    return _LABEL.fullmatch(text) is not None


def is_hostname(text: str) -> bool:
    """Say whether the text is a host name in lower case, without a dot at the end.

    >>> is_hostname("board.example.org"), is_hostname("a..b"), is_hostname("../x")
    (True, False, False)
    """
    return len(text) <= MAX_CHARACTERS and all(is_label(part) for part in text.split("."))


def is_address(text: str) -> bool:
    """Say whether a name would be taken for an IPv4 address: its last label is a number.

    Source: WHATWG URL, "ends in a number checker", which browsers follow.
    """
    return text.rpartition(".")[2].isdigit()
