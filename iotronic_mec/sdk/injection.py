"""Plugins on boards: inject, run, watch, remove."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from iotronic_mec.sdk.answer import Answer, read_answer
from iotronic_mec.sdk.errors import (
    CannotConnect,
    Error,
    TooManyRequests,
    Unavailable,
    UnexpectedAnswer,
)
from iotronic_mec.sdk.names import segment
from iotronic_mec.sdk.resource import MOMENT, Resource
from iotronic_mec.sdk.transport import Call, Json, Transport

CALL = "PluginCall"
START = "PluginStart"
STOP = "PluginStop"
STATUS = "PluginStatus"
REBOOT = "PluginReboot"
LOGS = "PluginLogs"

MAX_LINES = 1000
"""Most lines of a log in one answer."""

FOLLOW_S = (0.25, 2.0)
"""Seconds between two questions for a log: while lines come, and where none do."""

FOLLOW_GROWTH = 1.5
"""By how much the pause grows with each answer without lines."""

AWAY_S = 5.0
"""Seconds between two questions while the board or the cloud is away."""

AWAY = frozenset({"iot.board.offline", "iot.board.timeout", "iot.board.lost"})
"""Codes of a board that will be back."""

PASSING = (CannotConnect, Unavailable, TooManyRequests)
"""Errors of a cloud that will be back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection(Resource):
    """One plugin on one board: ``running`` and ``digest`` as wanted, ``actual`` as it is."""

    plugin: str
    name: str | None = None
    status: str | None = None
    onboot: bool | None = None
    running: bool | None = None
    converged: bool | None = None
    digest: str | None = None
    actual: str | None = None
    pid: int | None = None
    started_at: datetime | None = field(default=None, metadata=MOMENT)
    cause: Json = None
    created_at: datetime | None = field(default=None, metadata=MOMENT)
    updated_at: datetime | None = field(default=None, metadata=MOMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine(Resource):
    """One line a plugin wrote; ``stream`` says where, ``n`` is its number."""

    text: str
    time: str | None = None
    stream: str | None = None
    n: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs(Resource):
    """The last lines of a plugin; ``dropped`` counts older ones not kept."""

    lines: tuple[LogLine, ...] = field(
        default=(), metadata={"read": lambda wire: tuple(LogLine.from_wire(each) for each in wire)}
    )
    dropped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPart(Resource):
    """A part of a plugin's log.

    ``after`` is what to ask with for what follows; ``missed`` lines were asked for
    and are not kept any more.
    """

    after: int
    lines: tuple[LogLine, ...] = field(
        default=(), metadata={"read": lambda wire: tuple(LogLine.from_wire(each) for each in wire)}
    )
    missed: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A plugin on a board, each by name or uuid."""

    board: str
    plugin: str


class Injections:
    """What can be done with a plugin on a board."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def on_board(self, board: str) -> list[Injection]:
        """Return what is injected into a board."""
        body = self._transport.json(Call(method="GET", path=_board_path(board)))
        items = body.get("injections") if isinstance(body, dict) else None
        if not isinstance(items, list):
            raise UnexpectedAnswer("a list 'injections' was expected")
        return [Injection.from_wire(each) for each in items]

    def inject(self, target: Target, *, onboot: bool = False, wait: bool = True) -> Answer:
        """Send a plugin to a board, or the board's copy up to date.

        :param onboot: start it with the board
        :param wait: ``False``: the answer is a request, at once
        """
        body: dict[str, Any] = {"plugin": target.plugin, "onboot": onboot}
        segment(target.plugin, "plugin")
        return self._send("PUT", _board_path(target.board), body, wait=wait)

    def remove(self, target: Target, *, wait: bool = True) -> Answer:
        """Stop a plugin and take it off a board.

        :raises NotFound: it is not injected there
        """
        call = Call(method="DELETE", path=_path(target), query={"wait": None if wait else False})
        return read_answer(self._transport.send(call))

    def act(
        self,
        target: Target,
        action: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        wait: bool = True,
        idempotency_key: str | None = None,
    ) -> Answer:
        """Have a board do something with a plugin.

        :param action: one of the constants of this module
        :param wait: ``False``: the answer is a request, at once
        """
        body = {"action": action, "parameters": dict(parameters or {})}
        return self._send("POST", _path(target), body, wait=wait, key=idempotency_key)

    def call(
        self, target: Target, parameters: Mapping[str, Any] | None = None, *, wait: bool = True
    ) -> Answer:
        """Run a plugin to its end; the answer's value is its result.

        :raises ServerError: the plugin failed; ``details`` has its traceback
        """
        return self.act(target, CALL, parameters, wait=wait)

    def start(
        self, target: Target, parameters: Mapping[str, Any] | None = None, *, wait: bool = True
    ) -> Answer:
        """Start a plugin, which runs until it is stopped."""
        return self.act(target, START, parameters, wait=wait)

    def stop(self, target: Target, *, delay_s: float = 0, wait: bool = True) -> Answer:
        """Stop a plugin after ``delay_s`` seconds, >= 0."""
        return self.act(target, STOP, {"delay": delay_s} if delay_s else {}, wait=wait)

    def reboot(
        self, target: Target, parameters: Mapping[str, Any] | None = None, *, wait: bool = True
    ) -> Answer:
        """Stop a plugin and start it, with the parameters it had if none are given."""
        return self.act(target, REBOOT, parameters, wait=wait)

    def status(self, target: Target) -> str:
        """Return ``ALIVE`` or ``DEAD``."""
        return self.act(target, STATUS).text

    def logs(self, target: Target, *, lines: int = 100) -> Logs:
        """Return the last ``lines`` lines a plugin wrote, 1..1000."""
        return Logs.from_wire(self.act(target, LOGS, {"lines": lines}).value)

    def log(self, target: Target, *, after: int | None = None, lines: int = 100) -> LogPart:
        """Return the oldest ``lines`` lines after line ``after``; without it the newest.

        :param lines: 1..1000; fewer come where they are long
        """
        query = {"after": after, "lines": lines}
        return LogPart.from_wire(
            self._transport.json(Call(method="GET", path=f"{_path(target)}/logs", query=query))
        )

    def follow(
        self,
        target: Target,
        *,
        lines: int = 100,
        after: int | None = None,
        away: Callable[[Error], None] = lambda _: None,
    ) -> Iterator[LogPart]:
        """Yield the newest ``lines`` lines, then what follows, as it comes, without end.

        The cloud is asked again and again, at most four times a second and at least
        every two seconds; nothing is held open there. Parts without news are left out.

        :param after: begin after this line instead
        :param away: told once of each time that board or cloud cannot be reached any
            more; if they cannot at first, that is raised
        :raises NotFound: the plugin is not injected there, or no more
        """
        pause_s, lost, begun = FOLLOW_S[0], False, False
        while True:
            try:
                part = self.log(target, after=after, lines=lines if after is None else MAX_LINES)
            except Error as error:
                if not (begun and _passes(error)):
                    raise
                if not lost:
                    away(error)
                lost, pause_s = True, AWAY_S
            else:
                lost, begun, after = False, True, part.after
                if part.lines or part.missed:
                    yield part
                    pause_s = FOLLOW_S[0]
                else:
                    pause_s = min(FOLLOW_S[1], pause_s * FOLLOW_GROWTH)
            self._transport.pace.sleep(pause_s)

    def _send(
        self,
        method: str,
        path: str,
        body: dict[str, Any],
        *,
        wait: bool,
        key: str | None = None,
    ) -> Answer:
        if not wait:
            body["wait"] = False
        call = Call(method=method, path=path, json=body, idempotency_key=key)
        return read_answer(self._transport.send(call))


def _passes(error: Error) -> bool:
    """Say whether an error is of what comes back by itself."""
    return isinstance(error, PASSING) or error.code in AWAY


def _board_path(board: str) -> str:
    return f"/v1/boards/{segment(board, 'board')}/plugins"


def _path(target: Target) -> str:
    return f"{_board_path(target.board)}/{segment(target.plugin, 'plugin')}"
