"""Every query on virtual ports."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select

from iotronic_mec.db import keyset, tally
from iotronic_mec.features.board.table import board
from iotronic_mec.features.holding.store import Rows
from iotronic_mec.features.virtual_port.model import PortNotFound, VirtualPort
from iotronic_mec.features.virtual_port.table import virtual_port
from iotronic_mec.ids import is_uuid, normal_uuid
from iotronic_mec.page import Page

ROWS = Rows(virtual_port)
"""Their states."""


def get_port(
    connection: Connection, project: str, ident: str, *, every: bool, board_uuid: str = ""
) -> VirtualPort:
    """Return one port; they are known by uuid only.

    :param every: whether any project's may be meant
    :param board_uuid: the board it has to be on; any without
    :raises PortNotFound: there is none, or it is another project's or board's
    """
    row = None
    if is_uuid(ident):
        row = connection.execute(_ports().where(virtual_port.c.uuid == normal_uuid(ident))).first()
    hidden = row is None or (row.project != project and not every)
    if row is None or hidden or (board_uuid and row.board_uuid != board_uuid):
        raise PortNotFound(f"port {ident} could not be found")
    return _port(row)


def list_page(
    connection: Connection, page: Page, *, project: str | None = None, board_uuid: str = ""
) -> list[VirtualPort]:
    """Return a page of ports of a project or a board, and one more.

    :param project: ``None`` with no board for those of all projects
    """
    query = _ports()
    if board_uuid:
        query = query.where(board.c.uuid == board_uuid)
    elif project is not None:
        query = query.where(virtual_port.c.project == project)
    return [_port(row) for row in keyset.fetch(connection, query, virtual_port, page)]


def insert_port(connection: Connection, made: VirtualPort) -> None:
    """Write a new port."""
    connection.execute(
        insert(virtual_port).values(
            uuid=made.uuid,
            board_id=select(board.c.id).where(board.c.uuid == made.board).scalar_subquery(),
            project=made.project,
            network=made.network,
            subnet=made.subnet,
            security_groups=list(made.security_groups),
            tcp_port=made.tcp_port,
            mac=made.mac,
            ip=made.ip,
            prefix_length=made.prefix_length,
            external=made.external,
            state=made.state,
            cause=made.cause,
            created_at=made.created_at,
        )
    )


def _ports() -> Select[Any]:
    return select(virtual_port, board.c.uuid.label("board_uuid")).join(
        board, board.c.id == virtual_port.c.board_id
    )


def _port(row: Row[Any]) -> VirtualPort:
    return VirtualPort(
        uuid=row.uuid,
        board=row.board_uuid,
        project=row.project,
        network=row.network,
        subnet=row.subnet,
        security_groups=tuple(row.security_groups),
        tcp_port=row.tcp_port,
        mac=row.mac,
        ip=row.ip,
        prefix_length=row.prefix_length,
        external=row.external,
        state=row.state,
        cause=row.cause,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


count_ports = tally.rows_of(virtual_port, virtual_port.c.project)
"""Count a project's virtual ports."""
