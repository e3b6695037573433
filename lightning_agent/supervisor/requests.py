"""The requests to the supervisor as values: parsed and checked in one place.

The agent is trusted, but it may be older or newer than this process, and it passes on what the
cloud and tenants wrote; a name becomes a path only after it went through here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lightning_agent.errors import BadRequest
from lightning_agent.supervisor.leases import Lease

MAX_DEADLINE_S = 3600.0
"""Seconds one call may take at most; longer work is a started plugin."""

MAX_DELAY_S = 60.0
"""Seconds a stop may be put off."""

MAX_TIME_S = 1e11
"""Seconds since 1970 in a lease."""

MAX_LINES = 1000
"""Lines of a log in one answer."""

MAX_AFTER = 2**53
"""Largest number of a line of a log."""

MAX_CAMERAS = 8
"""Cameras granted to one run."""

_PLUGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")

Arguments = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallRequest:
    """Install the bundle at ``path``.

    :param digest: SHA-256 of the file, lower-case hex
    :param bundle_format: what the bundle claims to be, ``"py"`` or ``"zip"``
    """

    plugin: str
    digest: str
    path: Path
    bundle_format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """Call or start a plugin.

    :param deadline_s: seconds until it is killed; ``None`` for a started plugin
    :param operation: the cloud's name of this order, for the log; may be empty
    :param lease: until when it may run; ``None`` for as long as it wants
    :param cameras: names of the cameras it may use
    """

    plugin: str
    digest: str
    parameters: dict[str, object]
    operation: str
    cameras: tuple[str, ...]
    deadline_s: float | None
    lease: Lease | None = None


def parse_install(arguments: Arguments) -> InstallRequest:
    """Parse the arguments of ``install``; without a format, the ending of ``path`` is it."""
    path = Path(_text(arguments, "path"))
    if not path.is_absolute():
        raise BadRequest("path must be absolute")
    given = arguments.get("format")
    return InstallRequest(
        plugin=parse_plugin(arguments),
        digest=_digest(arguments),
        path=path,
        bundle_format=str(given) if given else path.suffix.removeprefix("."),
    )


def parse_call(arguments: Arguments) -> RunRequest:
    """Parse the arguments of ``call``."""
    return _run(arguments, number(arguments, "deadline_s", low=0.05, high=MAX_DEADLINE_S))


def parse_start(arguments: Arguments) -> RunRequest:
    """Parse the arguments of ``start``."""
    return replace(_run(arguments, None), lease=parse_lease(arguments))


def parse_lease(arguments: Arguments) -> Lease | None:
    """Return the lease in the arguments, ``None`` when there is none."""
    given = arguments.get("lease")
    if given is None:
        return None
    if not isinstance(given, dict):
        raise BadRequest("lease must be a map")
    issued_s = number(given, "issued_s", low=0.0, high=MAX_TIME_S)
    expires_s = number(given, "expires_s", low=0.0, high=MAX_TIME_S)
    return Lease(issued_s=issued_s, expires_s=expires_s, fresh=given.get("fresh") is True)


def parse_plugin(arguments: Arguments) -> str:
    """Return the checked name of the plugin, safe as a name of a folder."""
    plugin = _text(arguments, "plugin")
    if not _PLUGIN.fullmatch(plugin):
        raise BadRequest("plugin must have 1 to 64 letters, digits, _ and -")
    return plugin


def number(
    arguments: Arguments, name: str, *, low: float, high: float, default: float | None = None
) -> float:
    """Return the finite number ``name``, cut to the range ``low..high``."""
    value = arguments.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadRequest(f"{name} must be a number")
    return min(max(float(value), low), high)


def _run(arguments: Arguments, deadline_s: float | None) -> RunRequest:
    parameters = arguments.get("parameters") or {}
    if not isinstance(parameters, dict) or not all(isinstance(key, str) for key in parameters):
        raise BadRequest("parameters must be a map with text keys")
    grants = arguments.get("grants") or {}
    cameras = grants.get("cameras", []) if isinstance(grants, dict) else None
    if not isinstance(cameras, list) or not all(isinstance(name, str) for name in cameras):
        raise BadRequest("grants must be a map; its cameras a list of names")
    if len(cameras) > MAX_CAMERAS:
        raise BadRequest(f"at most {MAX_CAMERAS} cameras can be granted")
    return RunRequest(
        plugin=parse_plugin(arguments),
        digest=_digest(arguments),
        parameters=parameters,
        operation=str(arguments.get("operation") or ""),
        cameras=tuple(dict.fromkeys(cameras)),
        deadline_s=deadline_s,
    )


def _digest(arguments: Arguments) -> str:
    digest = _text(arguments, "digest")
    if not _DIGEST.fullmatch(digest):
        raise BadRequest("digest must be a SHA-256 in lower-case hex")
    return digest


def _text(arguments: Arguments, name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value or "\0" in value:
        raise BadRequest(f"{name} must be text")
    return value
