"""Log lines of cloud and board: one shape on both sides, so one request can be followed.

A line carries who asked (:class:`Asking`) when somebody did: the request id of the
HTTP answer, on its whole way to the board. Text is for people, JSON (one object a
line) for programs. What a stranger can shape never starts a line of its own:
control characters are written as escapes. What looks like a secret is left out,
as a net below code that logs none. Standard library only.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import IO, Any, NamedTuple

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")

MAX_CHARACTERS = 65_536
"""Longest message of a line; what is beyond is cut off."""

REQUEST_ID = re.compile(r"req-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""A request id as OpenStack's services write it."""

HIDDEN = "***"

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that end a line somewhere, steer a terminal, or turn the reading around."""

_SECRETS = (
    # the password of an address
    re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://[^\s:/@]*:)[^\s@/]+(?=@)", re.IGNORECASE),
    # the value behind a name that says what it is
    re.compile(
        r"((?:authorization|x[-_]auth[-_]token|x[-_]subject[-_]token|password|passwd|secret|token)"
        r"[\"']?\s*[:=]\s*)"
        r"(?:b?\"[^\"]*\"|b?'[^']*'|(?:(?:basic|bearer)\s+)?[^\s\"',;)}\]]+)",
        re.IGNORECASE,
    ),
    # ours by their prefix, Keystone's by theirs
    re.compile(r"()\b(?:iot_[A-Za-z0-9_-]{20,}|gAAAA[A-Za-z0-9_=-]{20,})"),
)


class Asking(NamedTuple):
    """Who asked for what is done now; empty texts for nobody."""

    request_id: str = ""
    user: str = ""
    project: str = ""


NOBODY = Asking()

_ASKING: ContextVar[Asking] = ContextVar("asking", default=NOBODY)


def asking() -> Asking:
    """Return who asked for what this thread or coroutine does now."""
    return _ASKING.get()


def set_asking(who: Asking) -> None:
    """Say who asked for what this thread does from now on."""
    _ASKING.set(who)


@contextmanager
def asked_by(who: Asking) -> Iterator[None]:
    """Say who asked for what is done inside."""
    before = _ASKING.set(who)
    try:
        yield
    finally:
        _ASKING.reset(before)


def escape(text: str) -> str:
    r"""Return a text on one line: control characters as ``\n``, ``\x1b``, ``\u2028``."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text[:MAX_CHARACTERS])


def hide(text: str) -> str:
    """Return a text without what looks like a secret."""
    for pattern in _SECRETS:
        text = pattern.sub(rf"\1{HIDDEN}", text)
    return text


class _Lines(logging.Formatter):
    """What both formats share.

    :param process: name of the process, in every JSON line
    """

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def _said(self, record: logging.LogRecord) -> str:
        return hide(record.getMessage()[:MAX_CHARACTERS])

    def _trouble(self, record: logging.LogRecord) -> str:
        if not record.exc_info or record.exc_info[0] is None:
            return ""
        return hide(self.formatException(record.exc_info)[:MAX_CHARACTERS])


class TextLines(_Lines):
    """``time level logger [request] message``; a traceback follows behind bars."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; those of a traceback begin with `` | ``."""
        who = asking()
        request = f" [{escape(who.request_id[:64])}]" if who.request_id else ""
        line = (
            f"{_moment(record.created)} {record.levelname} {record.name}{request} "
            f"{escape(self._said(record))}"
        )
        trouble = self._trouble(record)
        if trouble:
            line += "".join(f"\n | {escape(part)}" for part in trouble.split("\n"))
        return line


class JsonLines(_Lines):
    """One JSON object a line; keys without a value are left out."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object: see the manual's page on logs for its keys."""
        who = asking()
        found: dict[str, Any] = {
            "time": _moment(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": self._process,
            "pid": record.process,
            "message": self._said(record),
        }
        for name, value in zip(who._fields, who, strict=True):
            if value:
                found[name] = value[:256]
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            found |= fields
        trouble = self._trouble(record)
        if trouble:
            found["exception"] = trouble
        return json.dumps(found, default=str)


class _Handler(logging.StreamHandler[IO[str]]):
    """Ours, so that it can be told from those of whoever loaded us."""


def install(
    process: str, *, form: str = "text", level: str = "info", stream: IO[str] | None = None
) -> None:
    """Have every line of this process written so, those of threads that break as well.

    :param form: one of :data:`FORMATS`
    :param level: one of :data:`LEVELS`
    :param stream: standard error without one
    """
    handler = _Handler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonLines(process) if form == "json" else TextLines(process))
    root = logging.getLogger()
    for older in [each for each in root.handlers if isinstance(each, _Handler)]:
        root.removeHandler(older)
    root.addHandler(handler)
    root.setLevel(level.upper())
    sys.excepthook = _log_break
    threading.excepthook = _log_thread


def _log_break(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger(__name__).critical("the process broke", exc_info=(kind, error, trace))


def _log_thread(broken: threading.ExceptHookArgs) -> None:
    if broken.exc_value is None or issubclass(broken.exc_type, SystemExit):
        return
    logging.getLogger(__name__).error(
        "thread %s broke",
        broken.thread.name if broken.thread else "",
        exc_info=(broken.exc_type, broken.exc_value, broken.exc_traceback),
    )


def _moment(created: float) -> str:
    """Return ``2026-01-31T12:00:00.123Z``."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(created))
    return f"{whole}.{int(created % 1 * 1000):03d}Z"
