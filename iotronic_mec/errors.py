"""The error tree: every error knows its code, HTTP status and details.

A code (``iot.<noun>.<problem>``) is stable: never renamed, never reused. A
feature's own errors stand in its ``model.py`` and derive from the classes
here. Errors travel over RPC as ``to_wire`` and come back by ``from_wire``.
"""

from __future__ import annotations

from typing import Any, ClassVar


class Error(Exception):
    """Root of all errors of the cloud.

    :param message: one sentence that says what is wrong and what to do
    :param details: JSON-ready facts, for instance ``{"field": "name"}``
    """

    code: ClassVar[str] = "iot.internal"
    http_status: ClassVar[int] = 500

    def __init__(self, message: str = "", *, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message or (type(self).__doc__ or "").splitlines()[0]
        self.details = details or {}

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON-ready form that crosses a process border."""
        return {
            "code": self.code,
            "message": self.message,
            "http_status": self.http_status,
            "details": self.details,
        }


class BadRequest(Error):
    """The request is not valid."""

    code = "iot.request.invalid"
    http_status = 400


class Unauthenticated(Error):
    """Valid credentials are required."""

    code = "iot.identity.unauthenticated"
    http_status = 401


class Forbidden(Error):
    """The policy does not allow this."""

    code = "iot.policy.forbidden"
    http_status = 403


class NotFound(Error):
    """There is no such resource."""

    code = "iot.resource.not_found"
    http_status = 404


class Conflict(Error):
    """The request conflicts with the present state."""

    code = "iot.resource.conflict"
    http_status = 409


class IdempotencyMismatch(Error):
    """This Idempotency-Key was used with another body."""

    code = "iot.idempotency.mismatch"
    http_status = 422


class IdempotencyBusy(Conflict):
    """The first request with this Idempotency-Key is still running."""

    code = "iot.idempotency.busy"


class TooLarge(Error):
    """The body is over the limit."""

    code = "iot.request.too_large"
    http_status = 413


class Busy(Error):
    """There is more work waiting than is accepted; try again later."""

    code = "iot.busy"
    http_status = 503


class Unavailable(Error):
    """A part of the cloud is not reachable at the moment; try again later."""

    code = "iot.unavailable"
    http_status = 503


class RouterUnavailable(Unavailable):
    """The WAMP router is not reachable at the moment; try again later."""

    code = "iot.router.unavailable"


class BoardOffline(BadRequest):
    """The board is not connected."""

    code = "iot.board.offline"


class BoardTimeout(Error):
    """The board did not answer in time."""

    code = "iot.board.timeout"
    http_status = 504


class BoardLost(Error):
    """The board's link broke while the call was under way."""

    code = "iot.board.lost"
    http_status = 504


class BoardRefused(Error):
    """The board refused the call."""

    code = "iot.board.refused"
    http_status = 500


class DeadlineExceeded(Error):
    """The time for this request is used up."""

    code = "iot.deadline_exceeded"
    http_status = 504


class CodeUnknownOrUsed(Error):
    """The enrolment code is wrong, unknown, or was used before."""

    code = "iotronic.error.code_unknown_or_used"
    http_status = 403


def tree(root: type[Error] = Error) -> list[type[Error]]:
    """Return the class and everything below it that is loaded."""
    found = [root]
    for child in root.__subclasses__():
        found += tree(child)
    return found


class RemoteError(Error):
    """An error of another process whose class is not known here."""

    def __init__(self, wire: dict[str, Any]) -> None:
        super().__init__(str(wire.get("message", "")), details=dict(wire.get("details") or {}))
        self._wire = wire

    @property
    def remote_code(self) -> str:
        """The code given by the other process."""
        return str(self._wire.get("code", self.code))

    def to_wire(self) -> dict[str, Any]:
        """Return what was received, so that the code is kept."""
        return dict(self._wire)


def from_wire(wire: dict[str, Any]) -> Error:
    """Rebuild an error that crossed a process border, by its code."""
    code = wire.get("code")
    for known in tree():
        if known.code == code and known is not RemoteError:
            error = known.__new__(known)
            Error.__init__(
                error, str(wire.get("message", "")), details=dict(wire.get("details") or {})
            )
            return error
    return RemoteError(wire)
