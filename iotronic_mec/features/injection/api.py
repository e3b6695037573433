"""Routes of plugins on boards, and of what keeps a board from being converged."""

from __future__ import annotations

from typing import Any

import orjson

from iotronic_mec.api.controller import Answer, Call
from iotronic_mec.api.fields import Words, WordsOrObject
from iotronic_mec.api.ordered import AcceptedShape, answered
from iotronic_mec.clock import iso
from iotronic_mec.feature import Route
from iotronic_mec.features.board import store as board_store
from iotronic_mec.features.enrolment_code import store as code_store
from iotronic_mec.features.injection import store
from iotronic_mec.features.injection.model import Injection, reasons
from iotronic_mec.features.injection.schema import (
    ActionBody,
    ExplainShape,
    InjectBody,
    InjectionList,
    InjectionShape,
    RemoveQuery,
)
from iotronic_mec.features.plugin import store as plugin_store


def index(call: Call) -> dict[str, Any]:
    """List the plugins of a board."""
    with call.database.read() as connection:
        board = _board(call, connection)
        found = store.list_of_board(connection, board)
        plugins = plugin_store.list_plugins(connection, [row.plugin for row in found])
    names = {plugin.uuid: plugin.name for plugin in plugins}
    return {"injections": [_present(row, names.get(row.plugin)) for row in found]}


def show(call: Call) -> dict[str, Any]:
    """Show one plugin of a board."""
    with call.database.read() as connection:
        board = _board(call, connection)
        plugin = plugin_store.get_plugin(
            connection,
            call.context.project,
            call.path["plugin"],
            every_project=call.context.is_admin,
        )
        return _present(store.get_injection(connection, board, plugin.uuid), plugin.name)


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


def explain(call: Call) -> dict[str, Any]:
    """Say why a board is not online or not converged.

    By the same predicates that decide: its status, and each injection's
    ``converged``.
    """
    with call.database.read() as connection:
        board = board_store.get_board(
            connection, call.context.project, call.path["board"], every=call.context.is_admin
        )
        found = store.list_of_board(connection, board.uuid)
        code = code_store.find_of_board(connection, board.uuid)
    why = reasons(board, found, code, call.settings.wamp_url)
    return {
        "board": board.uuid,
        "online": board.status == "online",
        "converged": all(row.converged for row in found),
        "reasons": why,
    }


def _board(call: Call, connection: Any) -> str:
    return board_store.find_target(
        connection, call.context.project, call.path["board"], every=call.context.is_admin
    ).uuid


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
