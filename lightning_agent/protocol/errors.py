"""Error URIs and close reasons on the wire, and the classes they stand for.

Source: the WAMP specification leaves error URIs to the application; the list
below is this project's own.
"""

from __future__ import annotations

from typing import Any, ClassVar

PREFIX = "iotronic.error."
CLOSE_PREFIX = "iotronic.close."

CLOSE_ENROLLED = CLOSE_PREFIX + "enrolled"
"""The enrolment session has done its work; join again with the key."""
CLOSE_DELETED = CLOSE_PREFIX + "deleted"
"""The board was deleted."""
CLOSE_SUPERSEDED = CLOSE_PREFIX + "superseded"
"""A newer session of the same identity has taken over."""
CLOSE_RESTART = CLOSE_PREFIX + "restart"
"""The cloud asks for a fresh session."""


class WireError(Exception):
    """An error that can travel over WAMP.

    :param message: one sentence for a person
    :param details: JSON-ready facts
    """

    uri: ClassVar[str] = PREFIX + "internal"

    def __init__(self, message: str = "", *, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details or {}


class CodeUnknownOrUsed(WireError):
    """The enrolment code is wrong, unknown, or was used before."""

    uri = PREFIX + "code_unknown_or_used"


class BoardUnknown(WireError):
    """No such board, or it was deleted."""

    uri = PREFIX + "board_unknown"


class BadToken(WireError):
    """The application's token is not valid."""

    uri = PREFIX + "bad_token"


class KeyMismatch(WireError):
    """The public key offered is not the one enrolled for this board."""

    uri = PREFIX + "key_mismatch"


class Busy(WireError):
    """The other side has as much work as it accepts; try again later."""

    uri = PREFIX + "busy"


class TooLarge(WireError):
    """The message is over the size limit of the transport."""

    uri = PREFIX + "too_large"


class NotReady(WireError):
    """The other side is starting; try again."""

    uri = PREFIX + "not_ready"


class BadMessage(WireError):
    """A message lacks a field or holds one out of bounds; names it."""

    uri = PREFIX + "bad_message"


class NoSuchProcedure(WireError):
    """The board has no such procedure."""

    uri = PREFIX + "no_such_procedure"


BY_URI: dict[str, type[WireError]] = {
    error.uri: error
    for error in (
        WireError,
        CodeUnknownOrUsed,
        BoardUnknown,
        BadToken,
        KeyMismatch,
        Busy,
        TooLarge,
        NotReady,
        BadMessage,
        NoSuchProcedure,
    )
}
"""Error URI to class; an unknown URI is a :class:`WireError`."""
