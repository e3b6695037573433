"""Names and uuids on their way into a URL's path."""

from __future__ import annotations

import re
from urllib.parse import quote

from iotronic_mec.sdk.errors import InvalidName

_NAME = re.compile(r"[A-Za-z0-9._~-]{1,255}")
"""What a name or uuid may consist of. Source: IoTronic v1 API, identifiers."""


def segment(text: str, what: str) -> str:
    """Return a name or uuid as one segment of a path.

    :param what: the noun, for the message
    :raises InvalidName: when nothing can have this name; so no path can be
        left by it
    """
    if _NAME.fullmatch(text) is None or not text.strip("."):
        raise InvalidName(
            f"{text[:64]!r} is no name of a {what}: 1 to 255 letters, digits, "
            "'-', '.', '_' or '~' are allowed",
            details={"field": what},
        )
    return quote(text, safe="")
