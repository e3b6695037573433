"""What comes back from an action on a board: now, or later by a request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

import requests

from iotronic_mec.sdk.errors import UnexpectedAnswer
from iotronic_mec.sdk.transport import REQUEST_HEADER, Json, json_of

SUCCEEDED = "succeeded"
"""State of an answer that is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An action's answer.

    ``request`` is the uuid of the order it made. ``state`` is ``succeeded``
    and ``text`` what the board said, or one of the open states and the answer
    is to be waited for by ``client.requests.finish``.
    """

    request: str | None
    state: str
    text: str = ""

    @property
    def done(self) -> bool:
        """Whether the answer is there."""
        return self.state == SUCCEEDED

    @property
    def value(self) -> Json:
        """The text read as JSON where it is JSON, else the text."""
        return value_of(self.text)


def value_of(text: str) -> Json:
    """Return text as JSON where it is JSON, else the text itself.

    >>> value_of('{"label": 3}'), value_of("STARTED")
    ({'label': 3}, 'STARTED')
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError:
        return text


def text_of(value: Json) -> str:
    """Return a board's word as text: a text as it is, nothing as "", else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def read_answer(response: requests.Response) -> Answer:
    """Read the answer of an action: 200 with a value, 202 with a request, 204.

    :raises UnexpectedAnswer: when a 202 names no request
    """
    made = response.headers.get(REQUEST_HEADER)
    if response.status_code == 202:
        body = json_of(response)
        if not isinstance(body, Mapping) or not isinstance(body.get("request"), str):
            raise UnexpectedAnswer("a request was expected", status=202)
        return Answer(request=body["request"], state=str(body.get("state", "queued")))
    if not response.content:
        return Answer(request=made, state=SUCCEEDED)
    return Answer(request=made, state=SUCCEEDED, text=text_of(json_of(response)))


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
