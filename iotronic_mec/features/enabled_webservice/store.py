"""Every query on boards whose web servers may be published."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select

from iotronic_mec.db import keyset, tally
from iotronic_mec.features.board.table import board
from iotronic_mec.features.enabled_webservice.model import EnabledWebservice, NotEnabled
from iotronic_mec.features.enabled_webservice.table import enabled_webservice
from iotronic_mec.features.holding.store import Rows
from iotronic_mec.page import Page

ROWS = Rows(enabled_webservice)
"""Their states."""


def find_enabled(connection: Connection, board_uuid: str) -> EnabledWebservice | None:
    """Return what a board has, or ``None``."""
    row = connection.execute(_enabled().where(board.c.uuid == board_uuid)).first()
    return None if row is None else _to_enabled(row)


def get_enabled(connection: Connection, board_uuid: str) -> EnabledWebservice:
    """Return what a board has.

    :raises NotEnabled: web services are not enabled there
    """
    found = find_enabled(connection, board_uuid)
    if found is None:
        raise NotEnabled(
            f"web services are not enabled on board {board_uuid}; "
            "enable them with POST /v1/boards/{board}/webservices/enable"
        )
    return found


def list_page(connection: Connection, project: str | None, page: Page) -> list[EnabledWebservice]:
    """Return a page of them, and one more when there are more.

    :param project: whose; ``None`` for those of all projects
    """
    scoped = _enabled()
    if project is not None:
        scoped = scoped.where(enabled_webservice.c.project == project)
    return [_to_enabled(row) for row in keyset.fetch(connection, scoped, enabled_webservice, page)]


def insert_enabled(connection: Connection, made: EnabledWebservice) -> None:
    """Write a new one."""
    connection.execute(
        insert(enabled_webservice).values(
            uuid=made.uuid,
            board_id=select(board.c.id).where(board.c.uuid == made.board).scalar_subquery(),
            project=made.project,
            dns=made.dns,
            zone=made.zone,
            email=made.email,
            http_port=made.http_port,
            https_port=made.https_port,
            extra=made.extra,
            state=made.state,
            cause=made.cause,
            created_at=made.created_at,
        )
    )


def _enabled() -> Select[Any]:
    return select(enabled_webservice, board.c.uuid.label("board_uuid")).join(
        board, board.c.id == enabled_webservice.c.board_id
    )


def _to_enabled(row: Row[Any]) -> EnabledWebservice:
    return EnabledWebservice(
        uuid=row.uuid,
        board=row.board_uuid,
        project=row.project,
        dns=row.dns,
        zone=row.zone,
        email=row.email,
        http_port=row.http_port,
        https_port=row.https_port,
        extra=row.extra,
        state=row.state,
        cause=row.cause,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


count_enabled = tally.rows_of(enabled_webservice, enabled_webservice.c.project)
"""Count a project's enabled web services."""
