"""The one shape of errors, and the errors of HTTP itself.

Upstream's client parses ``error_message`` as JSON *text*; an object there
breaks it. Beside it stand a stable ``code``, ``details`` and the request id.
Source: spec/iotronic-api.md section 1, errors.
"""

from __future__ import annotations

import math
from typing import Any, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from iotronic_mec.errors import BadRequest, Error, Forbidden, NotFound

MAX_LISTED = 20
"""Most broken rules listed in ``details`` of one answer."""


class RouteNotFound(NotFound):
    """There is nothing at this address."""

    code = "iot.route.not_found"


class MethodNotAllowed(Error):
    """This address does not take this method."""

    code = "iot.route.method_not_allowed"
    http_status = 405

    def __init__(self, message: str = "", *, details: dict[str, Any] | None = None) -> None:
        super().__init__(message, details=details)
        self.allow: tuple[str, ...] = tuple(self.details.get("allow", ()))


class VersionNotAcceptable(Error):
    """This version of the API is not served."""

    code = "iot.version.not_acceptable"
    http_status = 406


class UnsupportedMediaType(Error):
    """A body of this type is not taken here."""

    code = "iot.request.media_type"
    http_status = 415


class TooManyRequests(Error):
    """There are too many requests; ``details`` and Retry-After say when to come back."""

    code = "iot.rate.limited"
    http_status = 429

    @classmethod
    def after(cls, wait_s: float, message: str, details: dict[str, Any] | None = None) -> Self:
        """Return the error that sends a client away for a while.

        :param wait_s: seconds; told rounded up, at least 1
        """
        seconds = max(1, math.ceil(wait_s))
        told = {**(details or {}), "retry_after_s": seconds}
        return cls(f"{message}; try again in {seconds} s", details=told)


class TooManyFailures(TooManyRequests):
    """There were too many wrong passwords or tokens; try again later."""

    code = "iot.identity.throttled"


class ProjectNeeded(Forbidden):
    """What is made belongs to a project: use a token that is for one."""

    code = "iot.identity.scope"


class Problem(BaseModel):
    """The body of every error."""

    model_config = ConfigDict(extra="forbid")

    error_message: str = Field(
        description="JSON text of {faultcode, faultstring, debuginfo}, as upstream's clients read"
    )
    code: str = Field(description="what is wrong, for programs; never renamed, never reused")
    details: dict[str, Any] = Field(description="facts about the error")
    request_id: str = Field(description="the request's id, to find it in the logs and the audit")


def problem(wire: dict[str, Any], request_id: str) -> bytes:
    """Return the JSON body of an error.

    :param wire: the error's ``to_wire``
    """
    side = "Server" if wire["http_status"] >= 500 else "Client"
    fault = {"faultcode": side, "faultstring": wire["message"], "debuginfo": None}
    return orjson.dumps(
        {
            "error_message": orjson.dumps(fault).decode(),
            "code": wire["code"],
            "details": wire["details"],
            "request_id": request_id,
        }
    )


def invalid(error: ValidationError, place: str) -> BadRequest:
    """Turn what pydantic found into our error, which names field and rule.

    :param place: ``body`` or ``query``
    """
    found = [
        {
            "field": ".".join(str(part) for part in entry["loc"]) or place,
            "rule": entry["type"],
            "message": entry["msg"].removeprefix("Value error, "),
        }
        for entry in error.errors(include_url=False, include_context=False, include_input=False)[
            :MAX_LISTED
        ]
    ]
    first = found[0]
    message = f"{first['field'][:200]}: {first['message']}"
    return BadRequest(
        message,
        details={"field": first["field"], "rule": first["rule"], "in": place, "errors": found},
    )
