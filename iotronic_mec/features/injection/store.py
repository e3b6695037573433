"""Every query on injections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, insert, select, update

from iotronic_mec.db import tally
from iotronic_mec.db.prepared import Prepared
from iotronic_mec.features.board.table import board
from iotronic_mec.features.injection.model import Injection, InjectionNotFound
from iotronic_mec.features.injection.table import injection
from iotronic_mec.features.plugin.model import PluginInUse
from iotronic_mec.features.plugin.table import plugin

_HOLDS = Prepared(
    select(injection.c.id)
    .join(board, board.c.id == injection.c.board_id)
    .join(plugin, plugin.c.id == injection.c.plugin_id)
    .where(board.c.uuid == bindparam("board"), plugin.c.uuid == bindparam("plugin"))
)


def is_injected(connection: Connection, board_uuid: str, plugin_uuid: str) -> bool:
    """Say whether a plugin is wanted on a board."""
    return _HOLDS.execute(connection, board=board_uuid, plugin=plugin_uuid).first() is not None


def check_injected(connection: Connection, board_uuid: str, plugin_uuid: str) -> None:
    """Let a plugin that is wanted on the board pass.

    :raises InjectionNotFound: it is not
    """
    if not is_injected(connection, board_uuid, plugin_uuid):
        raise InjectionNotFound(
            f"plugin {plugin_uuid} is not injected on board {board_uuid}; "
            "inject it with PUT /v1/boards/{board}/plugins"
        )


def get_injection(connection: Connection, board_uuid: str, plugin_uuid: str) -> Injection:
    """Return one injection.

    :raises InjectionNotFound: there is none
    """
    found = find_injection(connection, board_uuid, plugin_uuid)
    if found is None:
        raise InjectionNotFound(f"plugin {plugin_uuid} is not injected on board {board_uuid}")
    return found


def find_injection(connection: Connection, board_uuid: str, plugin_uuid: str) -> Injection | None:
    """Return one injection, or ``None``."""
    row = connection.execute(
        _injections().where(board.c.uuid == board_uuid, plugin.c.uuid == plugin_uuid)
    ).first()
    return None if row is None else _injection(row)


def list_of_board(connection: Connection, board_uuid: str) -> list[Injection]:
    """Return the injections of a board, oldest first."""
    rows = connection.execute(
        _injections().where(board.c.uuid == board_uuid).order_by(injection.c.id)
    )
    return [_injection(row) for row in rows]


def put(connection: Connection, wanted: Injection) -> None:
    """Write an injection as wanted, new or again."""
    values: dict[str, Any] = {
        "status": wanted.status,
        "onboot": wanted.onboot,
        "digest": wanted.digest,
        "size": wanted.size,
        "cause": None,
    }
    where = _where(wanted.board, wanted.plugin)
    changed = connection.execute(
        update(injection).where(where).values(**values, updated_at=wanted.created_at)
    )
    if changed.rowcount == 0:
        connection.execute(
            insert(injection).values(
                **values,
                board_id=select(board.c.id).where(board.c.uuid == wanted.board).scalar_subquery(),
                plugin_id=select(plugin.c.id)
                .where(plugin.c.uuid == wanted.plugin)
                .scalar_subquery(),
                times=0,
                running=False,
                parameters={},
                created_at=wanted.created_at,
            )
        )


def change(
    connection: Connection, board_uuid: str, plugin_uuid: str, values: Mapping[str, Any]
) -> None:
    """Change columns of an injection."""
    connection.execute(update(injection).where(_where(board_uuid, plugin_uuid)).values(**values))


def remove(connection: Connection, board_uuid: str, plugin_uuid: str) -> bool:
    """Delete an injection; say whether it was there."""
    gone = connection.execute(delete(injection).where(_where(board_uuid, plugin_uuid)))
    return gone.rowcount == 1


def refuse_injected(connection: Connection, plugin_uuid: str) -> None:
    """Veto the deletion of a plugin that is wanted on some board.

    :raises PluginInUse: names how many boards, and one of them
    """
    rows = connection.execute(
        select(board.c.uuid)
        .join(injection, injection.c.board_id == board.c.id)
        .join(plugin, plugin.c.id == injection.c.plugin_id)
        .where(plugin.c.uuid == plugin_uuid)
        .limit(100)
    ).all()
    if rows:
        raise PluginInUse(
            f"plugin {plugin_uuid} is injected on {len(rows)} board(s), for instance "
            f"{rows[0].uuid}: remove it there first",
            details={"boards": [row.uuid for row in rows]},
        )


def _where(board_uuid: str, plugin_uuid: str) -> Any:
    of_board = select(board.c.id).where(board.c.uuid == board_uuid).scalar_subquery()
    of_plugin = select(plugin.c.id).where(plugin.c.uuid == plugin_uuid).scalar_subquery()
    return (injection.c.board_id == of_board) & (injection.c.plugin_id == of_plugin)


def _injections() -> Select[Any]:
    return (
        select(injection, board.c.uuid.label("board_uuid"), plugin.c.uuid.label("plugin_uuid"))
        .join(board, board.c.id == injection.c.board_id)
        .join(plugin, plugin.c.id == injection.c.plugin_id)
    )


def _injection(row: Row[Any]) -> Injection:
    return Injection(
        board=row.board_uuid,
        plugin=row.plugin_uuid,
        status=row.status,
        onboot=row.onboot,
        digest=row.digest,
        size=row.size,
        times=row.times,
        running=row.running,
        parameters=row.parameters,
        actual=row.actual,
        pid=row.pid,
        started_at=row.started_at,
        cause=row.cause,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


count_injections = tally.rows_of(injection.join(board), board.c.project)
"""Count the plugins on a project's boards."""
