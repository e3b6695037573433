"""The client's errors, and the one function that reads them off an answer.

Whatever goes wrong is one of these: libraries' errors are translated at the
border. An error has ``message``, ``code`` (stable, ``iot.<noun>.<problem>``),
``status`` (HTTP; ``None`` when there was no answer), ``details`` and
``request_id``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

import requests

REQUEST_ID_HEADERS = ("Openstack-Request-Id", "X-Openstack-Request-Id")


class Error(Exception):
    """Root of all errors of the client.

    :param message: one sentence for a person
    :param code: stable code; the class's own when left out
    :param status: HTTP status, ``None`` without an answer
    :param details: JSON-ready facts
    :param request_id: what the cloud's log calls this call
    """

    default_code: ClassVar[str] = "iot.client.error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        details: Mapping[str, Any] | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.status = status
        self.details = dict(details or {})
        self.request_id = request_id


class InvalidName(Error):
    """A name or uuid that no resource can have; nothing was sent."""

    default_code = "iot.client.invalid_name"


class CannotConnect(Error):
    """No connection to the cloud, or it broke."""

    default_code = "iot.client.cannot_connect"


class NoAnswer(CannotConnect):
    """The cloud took the connection, and did not answer in time."""

    default_code = "iot.client.no_answer"


class CertificateRefused(CannotConnect):
    """The cloud's certificate, or ours, was not accepted."""

    default_code = "iot.client.certificate_refused"


class NoEndpoint(Error):
    """The credentials name no address of the IoT service."""

    default_code = "iot.client.no_endpoint"


class UnexpectedAnswer(Error):
    """What came back is not what this API answers: perhaps another server."""

    default_code = "iot.client.unexpected_answer"


class WaitTimeout(Error):
    """The request had not ended within the time given; it goes on.

    ``details`` holds ``request`` and its last ``state``.
    """

    default_code = "iot.client.wait_timeout"


class OperationFailed(Error):
    """An order that was waited for ended otherwise than by success.

    As the cloud's own errors of this kind, ``details`` holds ``request``,
    ``state`` and ``cause``: ``{"code", "message"}`` and, for a plugin's own
    error, ``traceback``.
    """

    default_code = "iot.operation.failed"


class AnswerError(Error):
    """The cloud answered with an error."""

    default_code = "iot.internal"


class BadRequest(AnswerError):
    """The cloud found the request not valid, or the board not connected."""


class Unauthenticated(AnswerError):
    """The credentials are missing or not valid."""

    default_code = "iot.identity.unauthenticated"


class Forbidden(AnswerError):
    """The policy does not allow this."""


class NotFound(AnswerError):
    """There is no such resource."""


class VersionRefused(AnswerError):
    """The cloud does not speak this version of the API."""


class Conflict(AnswerError):
    """The request conflicts with the present state."""


class TooLarge(AnswerError):
    """What was sent is over a limit."""


class TooManyRequests(AnswerError):
    """The project, the user or the address is over a rate; ``details`` say when to come back."""


class Unprocessable(AnswerError):
    """An Idempotency-Key was used again with another body."""


class ServerError(AnswerError):
    """The cloud, or a board, failed."""


class Unavailable(ServerError):
    """A part of the cloud is not reachable at the moment."""


class BoardSilent(ServerError):
    """The board did not answer in time, or its link broke."""


BY_STATUS: dict[int, type[AnswerError]] = {
    400: BadRequest,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    406: VersionRefused,
    409: Conflict,
    413: TooLarge,
    422: Unprocessable,
    429: TooManyRequests,
    503: Unavailable,
    504: BoardSilent,
}
"""HTTP status to class; any other 4xx is a BadRequest, else a ServerError."""


def from_response(response: requests.Response) -> AnswerError:
    """Turn an answer of 300 or more into the right error.

    Reads ``{"error_message": "<JSON text>", "code", "request_id"}``, where the
    text is ``{"faultcode", "faultstring", "debuginfo"}``; bears with an object
    in place of the text, and with the pages of a proxy.
    """
    status = response.status_code
    body = _json_object(response.text)
    fault = body.get("error_message")
    if isinstance(fault, str):
        fault = _json_object(fault) or fault
    message, details = _message(fault), body.get("details")
    if isinstance(fault, Mapping) and not isinstance(details, Mapping):
        details = fault.get("debuginfo")
    code = body.get("code")
    kind = BY_STATUS.get(status, BadRequest if status < 500 else ServerError)
    return kind(
        message or f"the cloud answered {status} {_phrase(status)}",
        code=code if isinstance(code, str) else None,
        status=status,
        details=details if isinstance(details, Mapping) else None,
        request_id=_request_id(response, body),
    )


def _message(fault: Any) -> str:
    if isinstance(fault, Mapping):
        fault = fault.get("faultstring")
    if not isinstance(fault, str) or fault.lstrip().startswith("<"):
        return ""
    return fault.strip()


def _request_id(response: requests.Response, body: Mapping[str, Any]) -> str | None:
    stated = body.get("request_id")
    if isinstance(stated, str):
        return stated
    found = (response.headers.get(name) for name in REQUEST_ID_HEADERS)
    return next((value for value in found if value), None)


def _json_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
