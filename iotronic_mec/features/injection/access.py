"""Which plugin on which board an order means: own ones, public ones, or lent ones.

A grant on a board that covers an order on plugins is enough for the plugins of
the board's owner that are on it. A plugin of a third project there is nobody's
but its owner's; whoever owns the board may always stop it and take it off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iotronic_mec import ids
from iotronic_mec.context import Context
from iotronic_mec.feature import Parts
from iotronic_mec.features.blob import store as blob_store
from iotronic_mec.features.board import access as board_access
from iotronic_mec.features.board.model import Target
from iotronic_mec.features.injection import store
from iotronic_mec.features.injection.model import (
    CHANGES_BOARD,
    LEASED,
    PENDING,
    REMOVED,
    STARTS,
    Injection,
    use_target,
    wish_of,
)
from iotronic_mec.features.lease import commands as leases
from iotronic_mec.features.lease import store as lease_store
from iotronic_mec.features.lease.model import PLUGIN
from iotronic_mec.features.plugin import store as plugin_store
from iotronic_mec.features.plugin.model import Plugin, PluginNotFound
from iotronic_mec.lent import Lent

if TYPE_CHECKING:
    from sqlalchemy import Connection

WORDS = {
    "plugin.inject": "bring a plugin onto the board",
    "plugin.call": "call a plugin there",
    "plugin.start": "start a plugin there; it ends with the grant",
    "plugin.stop": "stop a plugin there",
    "plugin.reboot": "start a plugin there anew; it ends with the grant",
    "plugin.status": "ask whether a plugin runs there",
    "plugin.logs": "read what a plugin wrote there",
    "plugin.remove": "take a plugin off the board",
}
"""What can be lent of plugins on boards; ``plugin.call:<uuid>`` is for one plugin."""

LIST = {"plugin.list": "list the plugins of the board's owner on the board"}

HOSTS_MAY = frozenset({"plugin.stop", "plugin.status", "plugin.logs", "plugin.remove"})
"""What the owner of a board may do to any plugin on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A plugin and the board it is meant for.

    ``lent``: what lets the order pass on other projects' things.
    """

    board: Target
    plugin: Plugin
    lent: tuple[Lent, ...] = ()


def find_spot(
    parts: Parts, connection: Connection, context: Context, board: str, plugin: str, word: str
) -> Spot:
    """Return what an order on a plugin means.

    :param word: of the order, as grants call it
    :raises BoardNotFound: no such board, or nothing lets the order pass
    :raises PluginNotFound: likewise the plugin
    """
    try:
        seen = plugin_store.get_plugin(
            connection, context.project, plugin, every_project=context.is_admin
        )
    except PluginNotFound as missing:
        uuid = ids.normal_uuid(plugin) if ids.is_uuid(plugin) else ""
        action = f"{word}:{uuid}" if uuid else ""
        target = board_access.find_target(parts, connection, context, board, action)
        if not uuid:
            raise
        return _others(parts, connection, context, target, uuid, word, missing)
    action = f"{word}:{seen.uuid}"
    target = board_access.find_target(parts, connection, context, board, action)
    return Spot(board=target, plugin=seen, lent=target.lent)


def _others(
    parts: Parts,
    connection: Connection,
    context: Context,
    target: Target,
    uuid: str,
    word: str,
    missing: PluginNotFound,
) -> Spot:
    """Return a spot with a plugin the caller does not see by themselves."""
    found = plugin_store.find_plugin(connection, uuid)
    there = store.find_injection(connection, target.uuid, uuid) is not None
    if found is not None and there:
        if word in HOSTS_MAY and not target.lent:
            return Spot(board=target, plugin=found)
        if target.lent and found.project == target.project:
            return Spot(board=target, plugin=found, lent=target.lent)
    lent = parts.access.find(connection, context, "plugin", uuid, f"{word}:{uuid}", missing)
    if lent is None or found is None:
        raise missing
    return Spot(board=target, plugin=found, lent=(*target.lent, lent))


def note_start(parts: Parts, connection: Connection, spot: Spot, *, anew: bool) -> bool:
    """Write down, with the order to start, under which grants a plugin runs from now on.

    One that runs by its owner's right goes on so, whoever starts it anew; one
    that runs under grants is the owner's when the owner starts it anew.

    :returns: whether it begins under grants now
    """
    board, plugin = spot.board.uuid, spot.plugin.uuid
    thing = (board, PLUGIN, plugin)
    there = store.find_injection(connection, board, plugin)
    runs = there is not None and there.running
    leased = bool(lease_store.find(connection, *thing))
    if spot.lent:
        if leased or not runs:
            leases.begin(parts, connection, thing, spot.lent)
            return True
    elif anew or not runs:
        lease_store.remove(connection, thing)
    return False


def note_inject(parts: Parts, connection: Connection, spot: Spot, onboot: bool) -> bool:
    """Write down under which grants a plugin begins by itself; return whether it does.

    Under a grant the autostart of what the owner brought stays as it is.
    """
    board, plugin = spot.board.uuid, spot.plugin.uuid
    thing = (board, PLUGIN, plugin)
    there = store.find_injection(connection, board, plugin)
    leased = bool(lease_store.find(connection, *thing))
    if not spot.lent:
        if there is not None and there.running:
            lease_store.own_autostart(connection, thing)
        else:
            lease_store.remove(connection, thing)
        return onboot
    if there is not None and not leased and (there.running or there.onboot):
        return there.onboot
    if onboot:
        leases.begin(parts, connection, thing, spot.lent, onboot=True)
    return onboot


def is_leased(connection: Connection, spot: Spot) -> bool:
    """Say whether a plugin goes on under grants on a board."""
    return bool(lease_store.find(connection, spot.board.uuid, PLUGIN, spot.plugin.uuid))


def want(parts: Parts, connection: Connection, spot: Spot, onboot: bool) -> None:
    """Want a plugin's present bundle on a board from now on; the quota is the caller's."""
    wanted = Injection(
        board=spot.board.uuid,
        plugin=spot.plugin.uuid,
        status=PENDING,
        onboot=note_inject(parts, connection, spot, onboot),
        digest=spot.plugin.digest,
        size=spot.plugin.size,
        created_at=parts.clock.now(),
    )
    target, project = use_target(wanted.board, wanted.plugin), spot.plugin.project
    now = wanted.created_at
    blob_store.unuse(connection, project, "injection", target, now=now)
    blob_store.use(connection, project, wanted.digest, wanted.size, "injection", target, now=now)
    store.put(connection, wanted)


def want_run(
    parts: Parts, connection: Connection, spot: Spot, action: str, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Note, with the order, whether a plugin should run; return what the order has besides.

    :param given: the parameters of the order
    """
    besides: dict[str, Any] = {}
    if action not in CHANGES_BOARD:
        return besides
    values: dict[str, Any] = {"running": action in STARTS}
    if action in STARTS:
        if given.get("parameters") is not None:
            values["parameters"] = given["parameters"]
        # stored with the order: without its lease it must not be sent
        if note_start(parts, connection, spot, anew=action == "PluginReboot"):
            besides[LEASED] = True
    store.change(connection, spot.board.uuid, spot.plugin.uuid, values)
    return besides


def want_no_more(
    parts: Parts, connection: Connection, spot: Spot, *, cancellable: bool
) -> dict[str, Any]:
    """Want a board to be without a plugin; return what the order has besides.

    :param cancellable: whether the order waits, so that it may be taken back
    """
    besides: dict[str, Any] = {}
    board, plugin = spot.board.uuid, spot.plugin.uuid
    # from now on the board is to be without it, whatever the answer
    gone = store.find_injection(connection, board, plugin)
    if gone is not None and cancellable:
        # for as long as the order can be cancelled
        besides[REMOVED] = wish_of(gone, leased=is_leased(connection, spot))
    store.remove(connection, board, plugin)
    target = use_target(board, plugin)
    now = parts.clock.now()
    blob_store.unuse(connection, spot.plugin.project, "injection", target, now=now)
    return besides
