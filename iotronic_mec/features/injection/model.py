"""What an injection is: one plugin on one board, as wanted and as it is.

The row is the *desired* state. It is written before the board is asked, and a
board that was away, or whose answer was lost, is brought to it at its next
join; so a plugin is never half injected.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from iotronic_mec.errors import BadRequest, BoardRefused, Conflict, Error, NotFound
from iotronic_mec.features.board.model import ONLINE, REGISTERED, Board
from iotronic_mec.features.enrolment_code.model import Code
from iotronic_mec.states import Machine

PENDING = "pending"
INJECTED = "injected"
UPDATED = "updated"
FAILED = "failed"

MACHINE = Machine(
    name="injection",
    initial=PENDING,
    meaning={
        PENDING: "wanted on the board, not confirmed by it yet",
        INJECTED: "the board holds it",
        UPDATED: "the board holds it, after a further injection",
        FAILED: "the board could not take it; the cause says why",
    },
    moves={
        PENDING: frozenset({INJECTED, UPDATED, FAILED}),
        INJECTED: frozenset({PENDING}),
        UPDATED: frozenset({PENDING}),
        FAILED: frozenset({PENDING, INJECTED, UPDATED}),
    },
)
"""``injected`` and ``updated`` are IoTronic's words."""

ACTIONS = {
    "PluginCall": "plugin.call",
    "PluginStart": "plugin.start",
    "PluginStop": "plugin.stop",
    "PluginStatus": "plugin.status",
    "PluginReboot": "plugin.reboot",
    "PluginLogs": "plugin.logs",
}
"""Plugin actions, and the board's procedures for them."""

STARTS = frozenset({"PluginStart", "PluginReboot"})
"""Actions that need a lease under a grant."""

CHANGES_BOARD = frozenset({*STARTS, "PluginStop"})
"""Actions after which the board is another than before."""

LEASED = "leased"
"""Parameter of a start under a grant: without a lease the board must not begin."""

INJECT = "PluginInject"
REMOVE = "PluginRemove"

REMOVED = "removed"
"""Parameter of a queued removal: what was wanted before it, see :func:`wish_of`."""


class InjectionNotFound(NotFound):
    """The plugin is not injected on this board."""

    code = "iot.injection.not_found"


class InvalidPluginAction(BadRequest):
    """There is no such plugin action."""

    code = "iot.injection.invalid_action"


class NotCallable(Conflict):
    """The plugin is not callable: start it instead."""

    code = "iot.injection.not_callable"


class OnlyCallable(Conflict):
    """The plugin is callable: call it instead."""

    code = "iot.injection.only_callable"


class AlreadyRunning(Conflict):
    """The plugin runs on the board already: stop it first, or restart it."""

    code = "iot.injection.already_running"


class NotRunning(Conflict):
    """The plugin does not run on the board: start it first."""

    code = "iot.injection.not_running"


class WrongKind(Conflict):
    """The board holds a bundle of the other kind: inject the plugin again."""

    code = "iot.injection.wrong_kind"


class BadParameters(BadRequest):
    """The board does not accept a parameter; the message names it."""

    code = "iot.injection.bad_parameters"


BY_CAUSE: dict[str, type[Error]] = {
    "already_running": AlreadyRunning,
    "not_running": NotRunning,
    "wrong_kind": WrongKind,
    "bad_parameters": BadParameters,
}
"""Causes with which a board refuses an order, and what the caller is told."""


MAX_LINES = 1000
"""Most log lines in one answer."""


def log_part(told: Any) -> dict[str, Any]:
    """Return the part of a log a board told of, only with what belongs to it.

    :raises BoardRefused: it is none
    """
    try:
        lines = [
            {
                "n": int(line["n"]),
                "time": str(line["time"]),
                "stream": str(line["stream"]),
                "text": str(line["text"]),
            }
            for line in told["lines"][:MAX_LINES]
        ]
        return {
            "lines": lines,
            "after": max(0, int(told["after"])),
            "missed": max(0, int(told["missed"])),
            "dropped": max(0, int(told["dropped"])),
        }
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BoardRefused("the board gave no part of a log") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """One plugin on one board.

    ``digest``: the bundle wanted there; ``actual``: the one the board reports.
    ``running``: whether it should run, with ``parameters``. ``pid`` and
    ``started_at`` are what the board last reported.
    """

    board: str
    plugin: str
    status: str
    onboot: bool
    digest: str
    size: int
    times: int = 0
    running: bool = False
    parameters: dict[str, Any] = field(default_factory=dict)
    actual: str | None = None
    pid: int | None = None
    started_at: str | None = None
    cause: dict[str, Any] | None = None
    created_at: datetime
    updated_at: datetime | None = None

    @property
    def converged(self) -> bool:
        """Whether the board is what is wanted of it here."""
        holds = self.actual == self.digest and self.status in (INJECTED, UPDATED)
        return holds and (not self.running or self.pid is not None)


def wish_of(injection: Injection, *, leased: bool) -> dict[str, Any]:
    """Return what is kept of an injection, JSON-ready, so that it can be wanted again."""
    names = ("status", "onboot", "digest", "size", "times", "running", "parameters", "actual")
    kept = {name: getattr(injection, name) for name in (*names, "pid", "started_at", "cause")}
    return {**kept, "leased": leased}


def use_target(board: str, plugin: str) -> str:
    """Return how an injection is called where blobs note who uses them."""
    return f"{board}/{plugin}"


def reasons(
    board: Board, injections: list[Injection], code: Code | None, wamp_url: str
) -> list[dict[str, str]]:
    """Say why a board is not online or not converged, and what would mend it.

    :param code: the board's enrolment code, ``None`` when it has none
    :param wamp_url: where agents join
    """
    found = _offline_reasons(board, code, wamp_url)
    if board.level == "refuse":
        found.append(
            _reason(
                "sandbox_refused",
                "the board cannot build a sandbox, so plugins do not run there",
                "run 'lightning-agent doctor' on the board; it names the cure of each check",
            )
        )
    return found + [
        reason for row in injections if not row.converged for reason in _plugin_reasons(row)
    ]


def _offline_reasons(board: Board, code: Code | None, wamp_url: str) -> list[dict[str, str]]:
    if board.status == ONLINE:
        return []
    if board.status == REGISTERED and (code is None or code.used):
        return [
            _reason(
                "code_gone",
                "no agent has enrolled, and the board has no code that could be used",
                f"make one: iot board enrolment-code create {board.name}",
            )
        ]
    if board.status == REGISTERED:
        return [
            _reason(
                "never_enrolled",
                "no agent has enrolled with the board's code yet",
                f"on the board: lightning-agent enrol CODE {wamp_url}",
            )
        ]
    since = "" if board.status_at is None else f" since {board.status_at:%Y-%m-%d %H:%M:%S} UTC"
    return [
        _reason(
            "no_session",
            f"the board's agent has no session{since}",
            "on the board: check power and network, then 'lightning-agent doctor'; "
            "start it with 'lightning-agent run'",
        )
    ]


def _plugin_reasons(row: Injection) -> list[dict[str, str]]:
    if row.cause is not None:
        told = str(row.cause.get("message", row.cause.get("code", "")))
        return [
            _reason(
                "plugin_failed",
                f"plugin {row.plugin}: {told}",
                "read 'iot plugin logs', mend the plugin and inject it again",
            )
        ]
    if row.actual != row.digest or row.status not in (INJECTED, UPDATED):
        return [
            _reason(
                "plugin_pending",
                f"plugin {row.plugin} is wanted on the board and not confirmed by it",
                "it is brought there as soon as the board is online; or inject it again",
            )
        ]
    return [
        _reason(
            "plugin_not_running",
            f"plugin {row.plugin} should run and does not",
            "read 'iot plugin logs' and start it again with 'iot plugin start'",
        )
    ]


def _reason(code: str, text: str, cure: str) -> dict[str, str]:
    return {"code": code, "text": text, "cure": cure}
