"""Every query on exposed services."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select

from iotronic_mec.db import keyset, tally
from iotronic_mec.features.board.table import board
from iotronic_mec.features.exposed_service.model import Exposure, NotExposed
from iotronic_mec.features.exposed_service.table import exposed_service
from iotronic_mec.features.holding.model import CLOSING
from iotronic_mec.features.holding.store import Rows
from iotronic_mec.features.service.model import ServiceInUse
from iotronic_mec.features.service.table import service
from iotronic_mec.ids import is_uuid, normal_uuid
from iotronic_mec.page import Page

ROWS = Rows(exposed_service)
"""Their states."""

_USES = exposed_service.join(board, board.c.id == exposed_service.c.board_id).join(
    service, service.c.id == exposed_service.c.service_id
)


def find_exposure(connection: Connection, board_uuid: str, ident: str) -> Exposure | None:
    """Return the exposure of a service on a board, by the service's uuid or name.

    A name may belong to two services, the project's own and a public one; the
    one exposed first is meant.
    """
    named = service.c.uuid == normal_uuid(ident) if is_uuid(ident) else service.c.name == ident
    row = connection.execute(
        _exposures().where(board.c.uuid == board_uuid, named).order_by(exposed_service.c.id)
    ).first()
    return None if row is None else _exposure(row)


def get_exposure(connection: Connection, board_uuid: str, ident: str) -> Exposure:
    """Return the exposure of a service on a board.

    :raises NotExposed: the service is not exposed there
    """
    found = find_exposure(connection, board_uuid, ident)
    if found is None:
        raise NotExposed(f"service {ident} is not exposed on board {board_uuid}")
    return found


def list_page(connection: Connection, board_uuid: str, page: Page) -> list[Exposure]:
    """Return a page of what is exposed on a board, and one more when there are more."""
    scoped = _exposures().where(board.c.uuid == board_uuid)
    rows = keyset.fetch(connection, scoped, exposed_service, page)
    return [_exposure(row) for row in rows]


def list_of_board(connection: Connection, board_uuid: str) -> list[Exposure]:
    """Return all that is exposed on a board, oldest first."""
    rows = connection.execute(
        _exposures().where(board.c.uuid == board_uuid).order_by(exposed_service.c.id)
    )
    return [_exposure(row) for row in rows]


def insert_exposure(connection: Connection, made: Exposure, *, state: str, now: datetime) -> None:
    """Write a new exposure."""
    connection.execute(
        insert(exposed_service).values(
            uuid=made.uuid,
            board_id=select(board.c.id).where(board.c.uuid == made.board).scalar_subquery(),
            service_id=select(service.c.id)
            .where(service.c.uuid == made.service)
            .scalar_subquery(),
            public_port=made.public_port,
            state=state,
            cause=made.cause,
            created_at=now,
        )
    )


def refuse_exposed(connection: Connection, service_uuid: str) -> None:
    """Veto the deletion of a service that is exposed on some board.

    Boards of other projects, which may use a public service, are counted and
    not named.

    :raises ServiceInUse: says on how many boards, and names those of the own project
    """
    rows = connection.execute(
        select(
            (board.c.project == service.c.project).label("own"),
            (exposed_service.c.state == CLOSING).label("closing"),
            func.count().label("number"),
        )
        .select_from(_USES)
        .where(service.c.uuid == service_uuid)
        .group_by("own", "closing")
    ).all()
    if not rows:
        return
    own = sum(row.number for row in rows if row.own)
    others = sum(row.number for row in rows if not row.own)
    closing = sum(row.number for row in rows if row.closing)
    named = connection.execute(
        select(board.c.uuid)
        .select_from(_USES)
        .where(service.c.uuid == service_uuid, board.c.project == service.c.project)
        .order_by(exposed_service.c.id)
        .limit(100)
    )
    raise ServiceInUse(
        _used(service_uuid, own, others, closing),
        details={"boards": [row.uuid for row in named], "others": others, "closing": closing},
    )


def list_of_service(connection: Connection, service_uuid: str) -> list[tuple[str, str]]:
    """Return the uuid of each exposure of a service, and its board's project."""
    rows = connection.execute(
        select(exposed_service.c.uuid, board.c.project)
        .select_from(_USES)
        .where(service.c.uuid == service_uuid)
        .order_by(exposed_service.c.id)
    )
    return [(row.uuid, row.project) for row in rows]


def _used(service_uuid: str, own: int, others: int, closing: int) -> str:
    """Say on how many boards a service is exposed, and what can be done."""
    where = f"service {service_uuid} is exposed on {own + others} board(s)"
    if others:
        where += f", {others} of them of other projects"
    if closing == own + others:
        return f"{where}, and is being withdrawn there: try again later"
    if others:
        return f"{where}: disable it there first, or delete it by force, which withdraws it"
    return f"{where}: disable it there first"


def _exposures() -> Select[Any]:
    return (
        select(
            exposed_service,
            board.c.uuid.label("board_uuid"),
            service.c.uuid.label("service_uuid"),
            service.c.name,
            service.c.port,
            service.c.protocol,
        )
        .join(board, board.c.id == exposed_service.c.board_id)
        .join(service, service.c.id == exposed_service.c.service_id)
    )


def _exposure(row: Row[Any]) -> Exposure:
    return Exposure(
        uuid=row.uuid,
        board=row.board_uuid,
        service=row.service_uuid,
        name=row.name,
        port=row.port,
        protocol=row.protocol,
        public_port=row.public_port,
        state=row.state,
        cause=row.cause,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


count_exposed = tally.rows_of(exposed_service.join(board), board.c.project)
"""Count the exposed services of a project's boards."""
