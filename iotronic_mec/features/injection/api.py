"""Routes of plugins on boards, and of what keeps a board from being converged."""

from __future__ import annotations

from typing import Any

import orjson

from iotronic_mec import event_stream
from iotronic_mec.api.controller import Answer, Call
from iotronic_mec.api.fields import Words, WordsOrObject
from iotronic_mec.api.lent import passes
from iotronic_mec.api.ordered import AcceptedShape, answered
from iotronic_mec.clock import iso
from iotronic_mec.feature import Route
from iotronic_mec.features.board import store as board_store
from iotronic_mec.features.board.model import Board, BoardNotFound
from iotronic_mec.features.enrolment_code import store as code_store
from iotronic_mec.features.injection import store
from iotronic_mec.features.injection.model import Injection, reasons
from iotronic_mec.features.injection.schema import (
    ActionBody,
    ExplainShape,
    InjectBody,
    InjectionList,
    InjectionShape,
    LogQuery,
    LogShape,
    RemoveQuery,
)
from iotronic_mec.features.plugin import store as plugin_store
from iotronic_mec.features.plugin.model import Plugin, PluginNotFound


def index(call: Call) -> dict[str, Any]:
    """List the plugins of a board; where it is lent, those its owner or the caller has there."""
    board = _board(call, "plugin.list")
    with call.database.read() as connection:
        found = store.list_of_board(connection, board.uuid)
        plugins = plugin_store.list_plugins(connection, [row.plugin for row in found])
    shown = {plugin.uuid: plugin for plugin in plugins if _may_see(call, board, plugin)}
    return {
        "injections": [
            _present(row, shown[row.plugin].name) for row in found if row.plugin in shown
        ]
    }


def show(call: Call) -> dict[str, Any]:
    """Show one plugin of a board."""
    board = _board(call, "plugin.list")
    ident = call.path["plugin"]
    with call.database.read() as connection:
        try:
            plugin = plugin_store.get_plugin(
                connection, call.context.project, ident, every_project=call.context.is_admin
            )
        except PluginNotFound:
            others = plugin_store.list_plugins(
                connection, [row.plugin for row in store.list_of_board(connection, board.uuid)]
            )
            named = [each for each in others if each.uuid == ident and _may_see(call, board, each)]
            if not named:
                raise
            plugin = named[0]
        return _present(store.get_injection(connection, board.uuid, plugin.uuid), plugin.name)


def inject(call: Call) -> Answer:
    """Inject a plugin on a board."""
    body = call.body
    done = call.ask(
        "injection",
        "inject",
        board=call.path["board"],
        plugin=body.plugin,
        onboot=body.onboot,
        wait=body.wait,
    )
    return answered(call, done, wait=body.wait)


def action(call: Call) -> Answer:
    """Have an injected plugin do an action.

    The answer is a JSON string, as IoTronic's client prints it: the plugin's
    own text, or its result as JSON text. The lines of PluginLogs are an object.
    """
    body = call.body
    done = call.ask(
        "injection",
        "action",
        board=call.path["board"],
        plugin=call.path["plugin"],
        action=body.action,
        parameters=body.parameters,
        wait=body.wait,
    )
    message = done.get("message")
    if body.wait and body.action != "PluginLogs" and not isinstance(message, str):
        done = {**done, "message": orjson.dumps(message).decode()}
    return answered(call, done, wait=body.wait)


def remove(call: Call) -> Answer | None:
    """Remove a plugin from a board."""
    wait = call.query.wait
    done = call.ask(
        "injection",
        "remove",
        board=call.path["board"],
        plugin=call.path["plugin"],
        wait=wait,
    )
    return None if wait else answered(call, done, wait=False)


def log(call: Call) -> Answer:
    """Give the lines an injected plugin wrote after one, or the newest."""
    part = _part(call, call.query.after)
    # the gateway bounds who follows logs by it
    return Answer(body=part, headers={"X-IoT-Project": call.context.project})


def log_events(call: Call) -> Answer:
    """Give the lines as server-sent events, and end: the client comes again by itself.

    So nobody who follows holds a thread here. Gateways hold the stream open instead.
    """
    seen = event_stream.begun_after(call.headers.get(event_stream.LAST_EVENT_ID))
    part = _part(call, call.query.after if seen is None else seen)
    body = event_stream.retry() + event_stream.lines_of(part)
    return Answer(body=body, headers=event_stream.HEADERS, media_type=event_stream.MEDIA_TYPE)


def _part(call: Call, after: int | None) -> dict[str, Any]:
    part: dict[str, Any] = call.ask(
        "injection",
        "follow",
        board=call.path["board"],
        plugin=call.path["plugin"],
        after=after,
        lines=call.query.lines,
    )
    return part


def explain(call: Call) -> dict[str, Any]:
    """Say why a board is not online or not converged.

    By the same predicates that decide: its status, and each injection's
    ``converged``.
    """
    board = _board(call, "board.get")
    with call.database.read() as connection:
        found = store.list_of_board(connection, board.uuid)
        code = code_store.find_of_board(connection, board.uuid)
    why = reasons(board, found, code, call.settings.wamp_url)
    return {
        "board": board.uuid,
        "online": board.status == "online",
        "converged": all(row.converged for row in found),
        "reasons": why,
    }


def _board(call: Call, word: str) -> Board:
    """Return a board of the project, or one that a grant lends for this."""
    ident, context = call.path["board"], call.context
    try:
        with call.database.read() as connection:
            return board_store.get_board(
                connection, context.project, ident, every=context.is_admin
            )
    except BoardNotFound:
        if not passes(call, "board", ident, word):
            raise
    with call.database.read() as connection:
        return board_store.get_board(connection, context.project, ident, every=True)


def _may_see(call: Call, board: Board, plugin: Plugin) -> bool:
    """Say whether a plugin on a board is the caller's to see: all of them on an own board."""
    project = call.context.project
    if call.context.is_admin or board.project == project:
        return True
    return plugin.public or plugin.project in (board.project, project)


def _present(row: Injection, name: str | None) -> dict[str, Any]:
    return {
        "plugin": row.plugin,
        "name": name,
        "status": row.status,
        "onboot": row.onboot,
        "running": row.running,
        "converged": row.converged,
        "digest": row.digest,
        "actual": row.actual,
        "pid": row.pid,
        "started_at": row.started_at,
        "cause": row.cause,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
    }


ROUTES = (
    Route(
        method="GET",
        path="/v1/boards/{board}/explain",
        handler=explain,
        policy="iot:board:explain",
        summary="Say why a board is not online or not converged",
        answer=ExplainShape,
    ),
    Route(
        method="GET",
        path="/v1/boards/{board}/plugins",
        handler=index,
        policy="iot:plugin_on_board:get",
        summary="List the plugins of a board",
        answer=InjectionList,
    ),
    Route(
        method="PUT",
        path="/v1/boards/{board}/plugins",
        handler=inject,
        policy="iot:plugin_inject:put",
        summary="Inject a plugin on a board",
        body=InjectBody,
        answer=Words,
        errors=(409, 500, 504),
        other_answers={202: AcceptedShape},
    ),
    Route(
        method="GET",
        path="/v1/boards/{board}/plugins/{plugin}",
        handler=show,
        policy="iot:plugin_on_board:get",
        summary="Show a plugin of a board",
        answer=InjectionShape,
        errors=(409,),
    ),
    Route(
        method="POST",
        path="/v1/boards/{board}/plugins/{plugin}",
        handler=action,
        policy="iot:plugin_action:post",
        summary="Have a plugin do an action: PluginCall, Start, Stop, Status, Reboot, Logs",
        body=ActionBody,
        answer=WordsOrObject,
        errors=(409, 500, 504),
        other_answers={202: AcceptedShape},
    ),
    Route(
        method="GET",
        path="/v1/boards/{board}/plugins/{plugin}/logs",
        handler=log,
        policy="iot:plugin_action:post",
        summary="Read what a plugin wrote on a board",
        query=LogQuery,
        answer=LogShape,
        errors=(409, 500, 504),
    ),
    Route(
        method="GET",
        path="/v1/boards/{board}/plugins/{plugin}/logs/events",
        handler=log_events,
        policy="iot:plugin_action:post",
        summary="Follow what a plugin writes on a board, as server-sent events",
        query=LogQuery,
        media_type=event_stream.MEDIA_TYPE,
        errors=(409, 500, 504),
    ),
    Route(
        method="DELETE",
        path="/v1/boards/{board}/plugins/{plugin}",
        handler=remove,
        policy="iot:plugin_remove:delete",
        summary="Remove a plugin from a board",
        query=RemoveQuery,
        status=204,
        errors=(409, 500, 504),
        other_answers={202: AcceptedShape},
    ),
)
