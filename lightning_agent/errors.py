"""The error tree of the agent and its supervisor.

Every error has a stable ``code``, a sentence for a person and JSON-ready ``details``; it travels
over the supervisor's socket as a map (:meth:`Error.to_wire`, :func:`from_wire`).  Errors of the
protocol between board and cloud are in ``lightning_agent.protocol.errors``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class Error(Exception):
    """Something the agent or its supervisor can name.

    :param message: one sentence that says what is wrong and, where there is one, the cure
    :param details: JSON-ready facts for programs; ``None`` means none
    """

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, details: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, object] = dict(details or {})

    def to_wire(self) -> dict[str, object]:
        """Return the map ``{"code", "message", "details"}`` that travels over the socket."""
        return {"code": self.code, "message": self.message, "details": self.details}


class BadRequest(Error):
    """A request to the supervisor that is malformed or out of range."""

    code = "bad_request"


class UnknownMethod(Error):
    """A method the supervisor does not have."""

    code = "unknown_method"


class ProtocolMismatch(Error):
    """Agent and supervisor speak different versions of their protocol."""

    code = "protocol_mismatch"


class Busy(Error):
    """No slot is free; the same request may succeed later."""

    code = "busy"


class SandboxRefused(Error):
    """Tenant code cannot be confined here, so it does not run; the message names the cure."""

    code = "sandbox_refused"


class PluginFailed(Error):
    """The tenant's code raised, crashed or was killed; details hold ``traceback`` and ``type``."""

    code = "plugin_failed"


class PluginTimeout(Error):
    """The tenant's code was still running at its deadline and was killed."""

    code = "plugin_timeout"


class ResultTooLarge(Error):
    """The plugin's result exceeds the limit of its size."""

    code = "result_too_large"


class AlreadyRunning(Error):
    """The plugin is started already."""

    code = "already_running"


class LeaseOver(Error):
    """The lease under which a plugin may run is over."""

    code = "lease_expired"


class LeaseRefused(Error):
    """A lease is not the cloud's, or not for this plugin on this board."""

    code = "lease_refused"


class PluginNotInstalled(Error):
    """The plugin, or this version of it, is not on the board."""

    code = "plugin_not_installed"


class BundleRefused(Error):
    """A bundle that holds what a bundle must not hold, or too much of it."""

    code = "bundle_refused"


class DigestMismatch(Error):
    """The bundle is not the one that was announced."""

    code = "digest_mismatch"


class StorageFailed(Error):
    """The state directory cannot be read or written, for example because the disk is full."""

    code = "storage_failed"


class CameraUnavailable(Error):
    """The camera is not configured, not granted, or its process ended."""

    code = "camera_unavailable"


class PictureRefused(Error):
    """A picture that is not one, or that exceeds the limits of decoding."""

    code = "picture_refused"


class ModelRefused(Error):
    """A model file that is missing or is not a model the engine can load."""

    code = "model_refused"


class EngineMissing(Error):
    """No inference engine is installed; the message names the extra to install."""

    code = "engine_missing"


class SupervisorUnavailable(Error):
    """The supervisor does not answer on its socket, or the connection was lost."""

    code = "supervisor_unavailable"


class SupervisorTimeout(Error):
    """The supervisor did not answer in time."""

    code = "supervisor_timeout"


class AlreadySupervised(Error):
    """Another supervisor owns the state directory."""

    code = "already_supervised"


def _leaves(root: type[Error]) -> dict[str, type[Error]]:
    found = {root.code: root}
    for leaf in root.__subclasses__():
        found.update(_leaves(leaf))
    return found


def from_wire(wire: Mapping[str, object]) -> Error:
    """Rebuild the error that ``wire`` describes.

    :param wire: a map as :meth:`Error.to_wire` makes it; from an untrusted or newer peer it may
        hold anything, an unknown code becomes a plain :class:`Error` with the code in ``details``
    """
    code = str(wire.get("code", Error.code))
    message = str(wire.get("message", code))
    found = wire.get("details")
    details = dict(found) if isinstance(found, Mapping) else {}
    leaf = _leaves(Error).get(code)
    if leaf is None:
        return Error(message, details={**details, "code": code})
    return leaf(message, details=details)
