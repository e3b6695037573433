"""Rules on plugins on boards: inject, call, start, stop, remove."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from iotronic_mec import errors
from iotronic_mec.context import Context
from iotronic_mec.feature import Parts
from iotronic_mec.features.board.commands import check_online, outcome
from iotronic_mec.features.injection import store
from iotronic_mec.features.injection.access import (
    Spot,
    find_spot,
    want,
    want_no_more,
    want_run,
)
from iotronic_mec.features.injection.model import (
    ACTIONS,
    BY_CAUSE,
    CHANGES_BOARD,
    INJECT,
    MAX_LINES,
    REMOVE,
    InvalidPluginAction,
    NotCallable,
    OnlyCallable,
    log_part,
)
from iotronic_mec.features.injection.reports import board_deleted
from iotronic_mec.features.plugin.model import Plugin, check_parameters
from iotronic_mec.features.request.commands import RequestCommands
from iotronic_mec.features.request.model import OperationFailed, OperationRejected, Order
from iotronic_mec.operation import SUCCEEDED
from iotronic_mec.rpc.expose import expose
from lightning_agent.protocol.errors import BadMessage
from lightning_agent.protocol.messages import OperationAnswer, OperationCall
from lightning_agent.protocol.names import PLUGIN_FOLLOW

if TYPE_CHECKING:
    from sqlalchemy import Connection

MAX_DELAY_S = 3600.0
"""Longest delay of a PluginStop, seconds."""

FOLLOW_LIMIT_S = 5.0
"""Longest wait for a board whose log is followed, seconds: it is asked again anyway."""

_NEEDS_PARAMETERS = frozenset({"PluginCall", "PluginStart", "PluginReboot"})


class InjectionCommands:
    """Plugins on boards.

    :param parts: what commands are built from
    :param made: the commands of earlier features
    """

    namespace = "injection"

    def __init__(self, parts: Parts, made: Mapping[str, Any]) -> None:
        self._parts = parts
        self._requests: RequestCommands = made["request"]

    @expose
    def inject(
        self, context: Context, *, board: str, plugin: str, onboot: bool = False, wait: bool = True
    ) -> dict[str, Any]:
        """Bring a plugin onto a board, or its present bundle once more.

        Blocks up to the board call's time limit unless ``wait`` is false.

        :returns: ``{"request", "operation", "state", "message"}``
        :raises errors.BoardOffline: the board has no session
        """
        repeated = self._repeated(context, wait=wait)
        if repeated is not None:
            return repeated
        place = self._spot(context, board, plugin, "plugin.inject")
        check_online(place.board)

        def before(connection: Connection) -> None:
            if not store.is_injected(connection, place.board.uuid, place.plugin.uuid):
                self._parts.quota.check(connection, place.board.project, "injections")
            want(self._parts, connection, place, onboot)

        # the digest says which bundle an answer that comes late is about
        bundle = {"digest": place.plugin.digest}
        order = self._order(context, place, INJECT, "plugin.inject", bundle, record_first=True)
        return self._run(context, order, before, wait=wait)

    @expose
    def action(
        self,
        context: Context,
        *,
        board: str,
        plugin: str,
        action: str,
        parameters: dict[str, Any] | None = None,
        wait: bool = True,
    ) -> dict[str, Any]:
        """Call, start, stop, restart, ask or read the logs of an injected plugin.

        Blocks up to the board call's time limit unless ``wait`` is false.

        :raises InvalidPluginAction: there is no such action
        :raises InjectionNotFound: the plugin is not injected there
        :raises NotCallable: PluginCall of a plugin that is started and stopped
        :raises OnlyCallable: PluginStart of a plugin that is called
        :raises AlreadyRunning: PluginStart of one that runs there
        :raises NotRunning: PluginStop of one that does not
        """
        procedure = find_procedure(action)
        repeated = self._repeated(context, wait=wait)
        if repeated is not None:
            return repeated
        place = self._spot(context, board, plugin, procedure)
        with self._parts.database.read() as connection:
            store.check_injected(connection, place.board.uuid, place.plugin.uuid)
        given = read_parameters(action, place.plugin, parameters or {})
        check_online(place.board)
        changes = action in CHANGES_BOARD
        order = self._order(context, place, action, procedure, given, record_first=changes)

        def before(connection: Connection) -> None:
            order.parameters.update(want_run(self._parts, connection, place, action, given))

        return self._run(context, order, before if changes else None, wait=wait)

    @expose
    def follow(
        self,
        context: Context,
        *,
        board: str,
        plugin: str,
        after: int | None = None,
        lines: int = 100,
    ) -> dict[str, Any]:
        """Return the oldest lines an injected plugin wrote after line ``after``.

        ``None`` begins with the newest. Who follows a log asks once a second, so
        nothing is recorded, unless a grant has to let it pass. Blocks up to
        :data:`FOLLOW_LIMIT_S`.

        :returns: ``{"lines", "after", "missed", "dropped"}``
        :raises InjectionNotFound: the plugin is not injected there
        :raises errors.BoardOffline: the board has no session
        """
        place = self._spot(context, board, plugin, "plugin.logs")
        with self._parts.database.read() as connection:
            store.check_injected(connection, place.board.uuid, place.plugin.uuid)
        check_online(place.board)
        asked = {"after": after, "lines": lines}
        order = self._order(context, place, "PluginLogs", PLUGIN_FOLLOW, asked, record_first=False)
        order = replace(order, timeout_s=min(FOLLOW_LIMIT_S, order.timeout_s))
        if place.lent:
            found = self._run(context, order, None, wait=True).get("message")
        else:
            found = self._ask(context, order)
        return log_part(found)

    @expose
    def remove(
        self, context: Context, *, board: str, plugin: str, wait: bool = True
    ) -> dict[str, Any]:
        """Take a plugin off a board; a running one is stopped.

        :raises InjectionNotFound: it is not injected there
        :raises errors.BoardOffline: the board has no session
        """
        repeated = self._repeated(context, wait=wait)
        if repeated is not None:
            return repeated
        place = self._spot(context, board, plugin, "plugin.remove")
        with self._parts.database.read() as connection:
            store.get_injection(connection, place.board.uuid, place.plugin.uuid)
        check_online(place.board)
        order = self._order(context, place, REMOVE, "plugin.remove", record_first=True)

        def before(connection: Connection) -> None:
            besides = want_no_more(self._parts, connection, place, cancellable=not wait)
            order.parameters.update(besides)

        return self._run(context, order, before, wait=wait)

    def _ask(self, context: Context, order: Order) -> Any:
        """Have a board answer a question; record nothing."""
        call = OperationCall(
            operation=context.new_uuid("operation"),
            request=context.new_uuid("request"),
            action=order.action,
            project=order.board_project,
            user=context.user,
            remaining_s=order.timeout_s,
            parameters=order.parameters,
            request_id=context.request_id,
        )
        wire = self._parts.boards.call(
            context, order.agent, order.board, order.procedure, call.to_wire(), order.timeout_s
        )
        try:
            answer = OperationAnswer.from_wire(wire)
        except BadMessage as error:
            raise errors.BoardRefused(f"board {order.board}: {error.message}") from error
        if answer.state != SUCCEEDED:
            told = answer.cause or {}
            kind = BY_CAUSE.get(str(told.get("code", "")), errors.BoardRefused)
            text = str(told.get("message") or f"the board answered {answer.state}")
            raise kind(text, details={"cause": told})
        return answer.message

    def _repeated(self, context: Context, *, wait: bool) -> dict[str, Any] | None:
        """Return what the first request with this Idempotency-Key gave."""
        with _told():
            found = self._requests.repeat(context, wait=wait)
        return None if found is None else outcome(found)

    def _run(
        self,
        context: Context,
        order: Order,
        before: Callable[[Connection], None] | None,
        *,
        wait: bool,
    ) -> dict[str, Any]:
        run = self._requests.run if wait else self._requests.accept
        with _told():
            return outcome(run(context, order, before))

    def _spot(self, context: Context, board: str, plugin: str, word: str) -> Spot:
        with self._parts.database.read() as connection:
            return find_spot(self._parts, connection, context, board, plugin, word)

    def _order(
        self,
        context: Context,
        place: Spot,
        action: str,
        procedure: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        record_first: bool,
    ) -> Order:
        limit = self._parts.settings.board_call_timeout_s
        return Order(
            board=place.board.uuid,
            agent=place.board.agent,
            board_project=place.board.project,
            action=action,
            procedure=procedure,
            parameters={"plugin": place.plugin.uuid, **(parameters or {})},
            timeout_s=min(limit, context.remaining_s()),
            lent=place.lent,
            record_first=record_first,
        )


def forget_board(parts: Parts, connection: Connection, board: str) -> None:
    """Want no plugin on a board any more, and let their bundles go."""
    board_deleted(parts, connection, board)
    for wanted in store.list_of_board(connection, board):
        store.remove(connection, board, wanted.plugin)


@contextmanager
def _told() -> Iterator[None]:
    """Turn a board's refusal into the error of its cause."""
    try:
        yield
    except (OperationFailed, OperationRejected) as error:
        kind = BY_CAUSE.get(str(error.details.get("cause", {}).get("code", "")))
        if kind is None:
            raise
        raise kind(error.message, details=error.details) from error


def find_procedure(action: str) -> str:
    """Return the board's procedure for an action of a plugin.

    :raises InvalidPluginAction: there is no such action
    """
    procedure = ACTIONS.get(action)
    if procedure is None:
        raise InvalidPluginAction(
            f"action: {action[:40]!r} is not known; known are {', '.join(sorted(ACTIONS))}",
            details={"field": "action", "known": sorted(ACTIONS)},
        )
    return procedure


def read_parameters(action: str, plugin: Plugin, given: dict[str, Any]) -> dict[str, Any]:
    """Return what the board gets beside the plugin's uuid.

    :raises NotCallable: PluginCall of a plugin that is started and stopped
    :raises OnlyCallable: PluginStart of a plugin that is called
    :raises errors.BadRequest: names the parameter and the rule
    """
    if action == "PluginCall" and not plugin.callable:
        raise NotCallable(
            f"plugin {plugin.name} is not callable: use PluginStart, or make it callable"
        )
    if action in CHANGES_BOARD and plugin.callable:
        raise OnlyCallable(f"plugin {plugin.name} is callable: use PluginCall")
    if action in _NEEDS_PARAMETERS:
        if action == "PluginReboot" and not given:
            return {"parameters": None}
        return {"parameters": check_parameters(plugin, given)}
    if action == "PluginStop":
        return {"delay_s": _number(given, "delay", 0.0, MAX_DELAY_S)}
    if action == "PluginLogs":
        return {"lines": int(_number(given, "lines", 200, MAX_LINES))}
    _refuse_unknown(given, set())
    return {}


def _number(given: dict[str, Any], name: str, default: float, most: float) -> float:
    _refuse_unknown(given, {name})
    value = given.get(name, default)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number <= most:
        raise errors.BadRequest(
            f"parameters.{name}: a number from 0 to {most:g} is expected",
            details={"field": f"parameters.{name}"},
        )
    return number


def _refuse_unknown(given: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise errors.BadRequest(
            f"parameters.{unknown[0]}: this action has no such parameter",
            details={"field": f"parameters.{unknown[0]}"},
        )
