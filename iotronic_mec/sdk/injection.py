"""Plugins on boards: inject, run, watch, remove."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from iotronic_mec.sdk.answer import Answer, read_answer
from iotronic_mec.sdk.errors import UnexpectedAnswer
from iotronic_mec.sdk.names import segment
from iotronic_mec.sdk.resource import MOMENT, Resource
from iotronic_mec.sdk.transport import Call, Json, Transport

CALL = "PluginCall"
START = "PluginStart"
STOP = "PluginStop"
STATUS = "PluginStatus"
REBOOT = "PluginReboot"
LOGS = "PluginLogs"


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
    """One line a plugin wrote; ``stream`` says where."""

    text: str
    time: str | None = None
    stream: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs(Resource):
    """The last lines of a plugin; ``dropped`` counts older ones not kept."""

    lines: tuple[LogLine, ...] = field(
        default=(), metadata={"read": lambda wire: tuple(LogLine.from_wire(each) for each in wire)}
    )
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


def _board_path(board: str) -> str:
    return f"/v1/boards/{segment(board, 'board')}/plugins"


def _path(target: Target) -> str:
    return f"{_board_path(target.board)}/{segment(target.plugin, 'plugin')}"
