"""What boards say of their plugins, and what they are told to hold.

Hooks of the request and board features; each runs in their transaction.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from iotronic_mec import blob_token
from iotronic_mec.feature import Parts
from iotronic_mec.features.blob import store as blob_store
from iotronic_mec.features.injection import store
from iotronic_mec.features.injection.model import (
    FAILED,
    INJECTED,
    LEASED,
    PENDING,
    REMOVED,
    UPDATED,
    Injection,
    use_target,
)
from iotronic_mec.features.lease import commands as leases
from iotronic_mec.features.lease import store as lease_store
from iotronic_mec.features.lease.model import PLUGIN, GrantEnded
from iotronic_mec.features.plugin import store as plugin_store
from iotronic_mec.features.plugin.model import Plugin
from iotronic_mec.features.request import store as request_store
from iotronic_mec.features.request.model import Operation
from iotronic_mec.operation import CANCELLED, SUCCEEDED
from lightning_agent.protocol.messages import Join, PluginActual, PluginDesired, Report
from lightning_agent.protocol.names import LEASE_EXPIRED

if TYPE_CHECKING:
    from sqlalchemy import Connection

TOKEN_LIFE = timedelta(hours=1)
"""How long a board may fetch a bundle with the token it was given."""

REFUSALS = frozenset({"rejected", "failed"})
"""Ends of an injection that say the board cannot take it."""


def desired(
    parts: Parts, connection: Connection, wanted: Injection, plugin: Plugin
) -> dict[str, Any]:
    """Return what a board is told of one injection, with its lease if it has one."""
    expiry = int((parts.clock.now() + TOKEN_LIFE).timestamp())
    running, onboot = wanted.running, wanted.onboot
    try:
        lease = leases.issue(parts, connection, wanted.board, PLUGIN, wanted.plugin)
    except GrantEnded:
        # not settled yet: it must not run, nor begin by itself
        lease, running, onboot = None, False, False
    return PluginDesired(
        plugin=wanted.plugin,
        name=plugin.name,
        digest=wanted.digest,
        size=wanted.size,
        format=plugin.format,
        callable=plugin.callable,
        onboot=onboot,
        url=f"{parts.settings.content_url}/blobs/{wanted.digest}",
        token=blob_token.make(parts.secret, wanted.digest, wanted.board, expiry),
        running=running,
        parameters=wanted.parameters,
        lease=lease,
    ).to_wire()


def inject_parameters(parts: Parts, connection: Connection, part: Operation) -> dict[str, Any]:
    """Return the parameters of PluginInject that are not stored: the token."""
    plugin_uuid = str(part.parameters["plugin"])
    wanted = store.get_injection(connection, part.board, plugin_uuid)
    plugin = plugin_store.find_plugin(connection, plugin_uuid)
    if plugin is None:
        return {}
    return {"desired": desired(parts, connection, wanted, plugin)}


def run_parameters(parts: Parts, connection: Connection, part: Operation) -> dict[str, Any]:
    """Return the parameters of a start that are not stored: the lease.

    :raises GrantEnded: the grant it was ordered under has ended meanwhile
    """
    lease = leases.issue(parts, connection, part.board, PLUGIN, str(part.parameters["plugin"]))
    if lease is None and part.parameters.get(LEASED):
        raise GrantEnded("the grant under which it was to run has ended")
    return {} if lease is None else {"lease": lease}


def lease_ended(
    parts: Parts, connection: Connection, board: str, plugin: str, autostart: bool
) -> None:
    """Want a plugin to run no more, since its lease has ended."""
    values: dict[str, Any] = {"running": False, "updated_at": parts.clock.now()}
    if autostart:
        values["onboot"] = False
    store.change(connection, board, plugin, values)


def joined(parts: Parts, connection: Connection, board: str, join: Join) -> list[dict[str, Any]]:
    """Note what a board holds and return what it is to hold."""
    _note(parts, connection, board, join.plugins, whole=True)
    wanted = store.list_of_board(connection, board)
    plugins = {
        plugin.uuid: plugin
        for plugin in plugin_store.list_plugins(connection, [row.plugin for row in wanted])
    }
    return [
        desired(parts, connection, row, plugins[row.plugin])
        for row in wanted
        if row.plugin in plugins
    ]


def reported(parts: Parts, connection: Connection, board: str, report: Report) -> None:
    """Note which plugins of a board changed."""
    _note(parts, connection, board, report.plugins, whole=False)


def inject_finished(parts: Parts, connection: Connection, part: Operation) -> None:
    """Note how an injection ended.

    When the answer was lost or late the wish stays and the next join settles
    it; when the board refused, the row says why; a cancelled one is no longer
    wanted. What is told of an older bundle says nothing about the one wanted now.
    """
    plugin_uuid = str(part.parameters.get("plugin", ""))
    wanted = store.find_injection(connection, part.board, plugin_uuid)
    if wanted is None or part.parameters.get("digest") != wanted.digest:
        return
    if part.state == CANCELLED and _ordered_besides(connection, part):
        return
    if part.state == SUCCEEDED:
        # the board's own report may have come first: it counts once
        if wanted.status in (PENDING, FAILED):
            _confirm(parts, connection, wanted)
    elif part.state in REFUSALS or part.state == CANCELLED:
        if wanted.times == 0 and wanted.actual is None:
            store.remove(connection, part.board, plugin_uuid)
            _free_bundle(parts, connection, wanted)
        elif part.state == CANCELLED:
            _want_what_it_holds(parts, connection, wanted, part)
        else:
            values = {"status": FAILED, "cause": part.cause, "updated_at": parts.clock.now()}
            store.change(connection, part.board, plugin_uuid, values)


def run_finished(parts: Parts, connection: Connection, part: Operation) -> None:
    """Note whether a plugin runs after a start, stop or restart.

    A start the board refused is no longer wanted; after a cancelled order it
    goes on as the board last said.
    """
    plugin_uuid = str(part.parameters.get("plugin", ""))
    values: dict[str, Any] = {"updated_at": parts.clock.now()}
    if part.state == CANCELLED:
        found = store.find_injection(connection, part.board, plugin_uuid)
        values["running"] = found is not None and found.pid is not None
    if part.state == SUCCEEDED and part.action == "PluginStop":
        values |= {"pid": None, "started_at": None}
    elif part.state == SUCCEEDED and part.parameters.get(LEASED):
        leases.check_started(parts, connection, part.board, PLUGIN, plugin_uuid)
    elif part.state in REFUSALS and part.action != "PluginStop":
        if (part.cause or {}).get("code") == "already_running":
            return
        values |= {"running": False}
    store.change(connection, part.board, plugin_uuid, values)


def remove_finished(parts: Parts, connection: Connection, part: Operation) -> None:
    """Want a plugin again whose queued removal was cancelled; else forget its leases.

    Where somebody has injected it anew meanwhile, that counts. What ran under a
    grant that has ended since does not run any more.
    """
    plugin_uuid = str(part.parameters.get("plugin", ""))
    thing = (part.board, PLUGIN, plugin_uuid)
    if store.find_injection(connection, part.board, plugin_uuid) is not None:
        return
    wish = part.parameters.get(REMOVED)
    if part.state != CANCELLED or not isinstance(wish, dict):
        lease_store.remove(connection, thing)
        return
    plugin = plugin_store.find_plugin(connection, plugin_uuid)
    if plugin is None:
        return
    now = parts.clock.now()
    kept = {name: value for name, value in wish.items() if name != "leased"}
    if wish["leased"] and not lease_store.find(connection, *thing):
        kept |= {"running": False, "onboot": False}
    blob = blob_store.find_blob(connection, plugin.project, str(wish["digest"]))
    if blob is None:
        # collected: the wish stands, and says what it needs
        kept |= {"status": FAILED, "cause": part.cause}
    else:
        target = use_target(part.board, plugin_uuid)
        blob_store.use(
            connection, plugin.project, blob.digest, blob.size, "injection", target, now=now
        )
    wanted = Injection(board=part.board, plugin=plugin_uuid, created_at=now, **kept)
    store.put(connection, wanted)
    store.change(connection, part.board, plugin_uuid, kept)


def board_deleted(parts: Parts, connection: Connection, board: str) -> None:
    """Let the bundles go that were wanted on a board which is being deleted."""
    for wanted in store.list_of_board(connection, board):
        _free_bundle(parts, connection, wanted)


def _ordered_besides(connection: Connection, part: Operation) -> bool:
    """Say whether another open order wants the same bundle there."""
    return any(
        other.action == part.action and other.parameters == part.parameters
        for other in request_store.list_open(connection, part.board)
        if other.uuid != part.uuid
    )


def _want_what_it_holds(
    parts: Parts, connection: Connection, wanted: Injection, part: Operation
) -> None:
    """Withdraw a newer bundle: what the board holds is wanted again.

    Where the bundle before is gone from the storage, the injection is failed
    until somebody injects again.
    """
    now = parts.clock.now()
    plugin = plugin_store.find_plugin(connection, wanted.plugin)
    before = None
    if plugin is not None and wanted.actual is not None:
        before = blob_store.find_blob(connection, plugin.project, wanted.actual)
    if plugin is None or before is None:
        lost = {"status": FAILED, "cause": part.cause, "updated_at": now}
        store.change(connection, wanted.board, wanted.plugin, lost)
        return
    target = use_target(wanted.board, wanted.plugin)
    blob_store.unuse(connection, plugin.project, "injection", target, now=now)
    blob_store.use(
        connection, plugin.project, before.digest, before.size, "injection", target, now=now
    )
    values: dict[str, Any] = {
        "status": UPDATED if wanted.times > 1 else INJECTED,
        "digest": before.digest,
        "size": before.size,
        "cause": None,
        "updated_at": now,
    }
    store.change(connection, wanted.board, wanted.plugin, values)


def _free_bundle(parts: Parts, connection: Connection, gone: Injection) -> None:
    """Let the bundle go that only this injection may have held."""
    plugin = plugin_store.find_plugin(connection, gone.plugin)
    if plugin is not None:
        target = use_target(gone.board, gone.plugin)
        now = parts.clock.now()
        blob_store.unuse(connection, plugin.project, "injection", target, now=now)


def _confirm(parts: Parts, connection: Connection, wanted: Injection) -> None:
    values = {
        "status": UPDATED if wanted.times else INJECTED,
        "times": wanted.times + 1,
        "actual": wanted.digest,
        "cause": None,
        "updated_at": parts.clock.now(),
    }
    store.change(connection, wanted.board, wanted.plugin, values)


def _note(
    parts: Parts, connection: Connection, board: str, actual: list[PluginActual], *, whole: bool
) -> None:
    held = {entry.plugin: entry for entry in actual}
    for wanted in store.list_of_board(connection, board):
        entry = held.get(wanted.plugin)
        if entry is None:
            if whole and (wanted.actual is not None or wanted.pid is not None):
                gone = {"actual": None, "pid": None, "started_at": None, "status": PENDING}
                store.change(connection, board, wanted.plugin, gone)
            continue
        if entry.digest == wanted.digest and wanted.status in (PENDING, FAILED):
            _confirm(parts, connection, wanted)
        cause = None if entry.cause is None else {"code": "exited", "message": entry.cause}
        if cause is None and wanted.status == FAILED and entry.digest != wanted.digest:
            # it holds the bundle from before: why it refused the new one still holds
            cause = wanted.cause
        values: dict[str, Any] = {
            "actual": entry.digest,
            "pid": entry.pid,
            "started_at": entry.started_at,
            "cause": cause,
        }
        if entry.pid is None and entry.cause not in (None, LEASE_EXPIRED):
            # it ended by itself: it is not to be started again at the next join
            values["running"] = False
        store.change(connection, board, wanted.plugin, values)
