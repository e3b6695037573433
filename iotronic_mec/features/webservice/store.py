"""Every query on web services."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, insert, or_, select

from iotronic_mec.db import keyset, tally
from iotronic_mec.features.board.table import board
from iotronic_mec.features.holding.store import Rows
from iotronic_mec.features.webservice.model import (
    Webservice,
    WebserviceNotFound,
    WebservicesPublished,
)
from iotronic_mec.features.webservice.table import webservice
from iotronic_mec.ids import is_uuid, normal_uuid
from iotronic_mec.page import Page

ROWS = Rows(webservice)
"""Their states."""


def get_webservice(connection: Connection, project: str, ident: str, *, every: bool) -> Webservice:
    """Return one web service; they are known by uuid only.

    :param every: whether any project's may be meant
    :raises WebserviceNotFound: there is none, or it is another project's
    """
    row = None
    if is_uuid(ident):
        row = connection.execute(
            _webservices().where(webservice.c.uuid == normal_uuid(ident))
        ).first()
    if row is None or (row.project != project and not every):
        raise WebserviceNotFound(f"web service {ident} could not be found")
    return _to_webservice(row)


def find_rival(connection: Connection, board_uuid: str, name: str, port: int) -> Webservice | None:
    """Return a web service of the board with this name or on this port, or ``None``."""
    row = connection.execute(
        _webservices().where(
            board.c.uuid == board_uuid,
            or_(webservice.c.name == name, webservice.c.port == port),
        )
    ).first()
    return None if row is None else _to_webservice(row)


def list_page(
    connection: Connection, page: Page, *, project: str = "", board_uuid: str = ""
) -> list[Webservice]:
    """Return a page of web services of a project or a board, and one more."""
    whose = board.c.uuid == board_uuid if board_uuid else webservice.c.project == project
    rows = keyset.fetch(connection, _webservices().where(whose), webservice, page)
    return [_to_webservice(row) for row in rows]


def insert_webservice(connection: Connection, made: Webservice) -> None:
    """Write a new web service."""
    connection.execute(
        insert(webservice).values(
            uuid=made.uuid,
            board_id=select(board.c.id).where(board.c.uuid == made.board).scalar_subquery(),
            project=made.project,
            name=made.name,
            port=made.port,
            secure=made.secure,
            host=made.host,
            extra=made.extra,
            state=made.state,
            cause=made.cause,
            created_at=made.created_at,
        )
    )


def refuse_published(connection: Connection, board_uuid: str) -> None:
    """Veto that a board whose web services are published loses its name.

    :raises WebservicesPublished: names them
    """
    rows = connection.execute(
        select(webservice.c.uuid, webservice.c.name)
        .join(board, board.c.id == webservice.c.board_id)
        .where(board.c.uuid == board_uuid)
        .limit(100)
    ).all()
    if rows:
        raise WebservicesPublished(
            f"board {board_uuid} has {len(rows)} web service(s): delete them first",
            details={"webservices": [row.uuid for row in rows]},
        )


def _webservices() -> Select[Any]:
    return select(webservice, board.c.uuid.label("board_uuid")).join(
        board, board.c.id == webservice.c.board_id
    )


def _to_webservice(row: Row[Any]) -> Webservice:
    return Webservice(
        uuid=row.uuid,
        board=row.board_uuid,
        project=row.project,
        name=row.name,
        port=row.port,
        secure=row.secure,
        host=row.host,
        extra=row.extra,
        state=row.state,
        cause=row.cause,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


count_webservices = tally.rows_of(webservice, webservice.c.project)
"""Count a project's web services."""
