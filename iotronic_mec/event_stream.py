"""The text of server-sent events: what a followed log looks like on the wire.

Source: WHATWG HTML, section 9.2, "Server-sent events". The id of an event is the
number of a log's line, so that ``Last-Event-ID`` says where to go on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from iotronic_mec.errors import BadRequest

LOG = re.compile(r"(?:/v1)?/boards/[^/]+/plugins/[^/]+/logs")
"""Address of a plugin's log; that of its events ends in :data:`EVENTS`."""

EVENTS = "/events"

MEDIA_TYPE = "text/event-stream"

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Nothing on the way keeps it, or holds a piece of it back (nginx)."""

KEEP_ALIVE = b": \n\n"
"""A comment: says that the stream lives."""

RETRY_MS = 1000
"""How long a client waits before it comes again with what it saw last, milliseconds."""

LAST_EVENT_ID = "last-event-id"
"""The header a client comes again with."""

MAX_ID = 2**53
"""Largest number of a line."""


def event(name: str, data: Mapping[str, Any], number: int | None = None) -> bytes:
    r"""Return one event; ``message`` is the kind that needs no name.

    >>> event("message", {"text": "a\nb"}, 7)
    b'id: 7\ndata: {"text":"a\\nb"}\n\n'
    """
    head = "" if name == "message" else f"event: {name}\n"
    marked = "" if number is None else f"id: {number}\n"
    # JSON has no line ends of its own
    return f"{head}{marked}data: ".encode() + orjson.dumps(data) + b"\n\n"


def lines_of(part: Mapping[str, Any]) -> bytes:
    """Return the events of a part of a log: what is missing, then each line.

    :param part: ``{"lines", "after", "missed"}`` as a board says it
    """
    missed = part.get("missed")
    pieces = [event("gap", {"missed": missed})] if missed else []
    for line in part["lines"]:
        told = {key: line.get(key) for key in ("time", "stream", "text")}
        pieces.append(event("message", told, line.get("n")))
    return b"".join(pieces)


def retry(milliseconds: int = RETRY_MS) -> bytes:
    """Return what says how soon a client may come again."""
    return b"retry: %d\n\n" % milliseconds


def begun_after(given: str | None) -> int | None:
    """Return the number of the line a client saw last, ``None`` where it saw none.

    :raises BadRequest: it is no number of a line
    """
    if given is None or given == "":
        return None
    if not (given.isascii() and given.isdecimal() and len(given) <= 16 and int(given) <= MAX_ID):
        raise BadRequest(
            "Last-Event-ID: the id of an event is expected", details={"field": "Last-Event-ID"}
        )
    return int(given)
