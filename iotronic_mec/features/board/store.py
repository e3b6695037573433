"""Every query on boards, their labels and places."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from iotronic_mec import ids
from iotronic_mec.db import keyset, tally
from iotronic_mec.db.prepared import Prepared
from iotronic_mec.features.board.model import (
    OFFLINE,
    ONLINE,
    Board,
    BoardNotFound,
    Location,
    ProjectHasBoards,
    Target,
)
from iotronic_mec.features.board.table import board, board_label, board_location, moved, within
from iotronic_mec.features.fleet.model import FleetInUse
from iotronic_mec.geo import Circle
from iotronic_mec.lent import Place
from iotronic_mec.page import Page

_COLUMNS = tuple(
    item.name for item in dataclasses.fields(Board) if item.name not in ("labels", "location")
)
"""The fields of a board that are columns of its row, by the same name."""

_FEW_COLUMNS = (
    *("uuid", "project", "owner", "name", "status", "session", "type", "fleet"),
    *("lr_version", "connectivity", "agent", "created_at"),
)
"""What lists read unless they show more: one statement for all of them."""

_FEW = frozenset({*_FEW_COLUMNS, "code", "wstun_ip", "mac_addr", "links"})
_PAGES = keyset.Pages(board, scope="project")

count_boards = tally.rows_of(board, board.c.project)
"""Count a project's boards."""
_TARGET = (board.c.uuid, board.c.project, board.c.name, board.c.status, board.c.agent)
_BY_UUID = Prepared(select(*_TARGET).where(board.c.uuid == bindparam("ident")))
_BY_NAME = Prepared(
    select(*_TARGET).where(
        board.c.name == bindparam("ident"), board.c.project == bindparam("project")
    )
)


def find_target(connection: Connection, project: str, ident: str, *, every: bool) -> Target:
    """Return what an order to a board needs, by uuid or by name.

    :param project: the caller's; names are looked up in it
    :param every: whether boards of other projects may be meant by uuid
    :raises BoardNotFound: there is none, or it is another project's
    """
    if ids.is_uuid(ident):
        rows = _BY_UUID.rows(connection, ident=ids.normal_uuid(ident))
    else:
        rows = _BY_NAME.rows(connection, ident=ident, project=project)
    if not rows or (rows[0][1] != project and not every):
        raise BoardNotFound(f"board {ident} could not be found")
    uuid, owner, name, status, agent = rows[0]
    return Target(uuid=uuid, project=owner, name=name, status=status, agent=agent)


def find_place(connection: Connection, uuid: str) -> Place | None:
    """Return whose a board is and which fleet it is in, ``None`` when there is none."""
    query = select(board.c.project, board.c.fleet).where(board.c.uuid == uuid)
    row = connection.execute(query).first()
    if row is None:
        return None
    within = () if row.fleet is None else (("fleet", row.fleet),)
    return Place(uuid=uuid, project=row.project, within=within)


def resolve_place(connection: Connection, project: str, ident: str, every: bool) -> Place:
    """Return whose a board is, by uuid or name; see :func:`find_target`."""
    found = find_target(connection, project, ident, every=every)
    return Place(uuid=found.uuid, project=found.project)


def get_board(connection: Connection, project: str, ident: str, *, every: bool = False) -> Board:
    """Return one board whole.

    :raises BoardNotFound: there is none, or it is another project's
    """
    target = find_target(connection, project, ident, every=every)
    columns = (board.c[name] for name in _COLUMNS)
    query = select(board.c.id, *columns).where(board.c.uuid == target.uuid)
    row = connection.execute(query).first()
    if row is None:
        raise BoardNotFound(f"board {ident} could not be found")
    return Board(
        **dict(zip(_COLUMNS, row[1:], strict=True)),
        labels=_labels(connection, [row[0]]).get(row[0], {}),
        location=_places(connection, [row[0]]).get(row[0], ()),
    )


def list_page(
    connection: Connection,
    project: str | None,
    page: Page,
    *,
    status: str | None = None,
    fleet: str | None = None,
    labels: Mapping[str, str] | None = None,
    near: Circle | None = None,
    shown: Collection[str] | None = None,
) -> list[Board]:
    """Return a page of boards, and one more when there are more.

    :param project: whose; ``None`` for those of all projects
    :param status: only boards of this status
    :param fleet: only boards of the fleet with this uuid
    :param labels: only boards that carry all of these
    :param near: only boards whose newest place lies within
    :param shown: the fields that will be looked at: others may be left empty;
        ``None`` for all
    :raises MarkerNotFound: the page's marker is no board of these
    """
    needed = _needed(shown)
    if not labels and near is None and page.sort_key in keyset.CREATION:
        asked = {"project": project, "status": status, "fleet": fleet}
        given = {name: value for name, value in asked.items() if value is not None}
        return _boards(connection, needed, _PAGES.rows(connection, page, needed, given), shown)
    scoped = select(board.c.id, *(board.c[name] for name in needed))
    if project is not None:
        scoped = scoped.where(board.c.project == project)
    for key, value in (labels or {}).items():
        carriers = select(board_label.c.board_id).where(
            board_label.c.key == key, board_label.c.value == value
        )
        scoped = scoped.where(board.c.id.in_(carriers))
    # filters, not the scope: the marker's may have changed since its page
    filters = [] if near is None else within(near)
    if status is not None:
        filters.append(board.c.status == status)
    if fleet is not None:
        filters.append(board.c.fleet == fleet)
    rows = keyset.fetch(connection, scoped, board, page, *filters)
    return _boards(connection, needed, rows, shown)


def _boards(
    connection: Connection,
    needed: Sequence[str],
    rows: Sequence[Sequence[Any]],
    shown: Collection[str] | None,
) -> list[Board]:
    """Return the boards of rows, which begin with the key; in one to three queries in all."""
    keys = [row[0] for row in rows]
    tagged = _labels(connection, keys) if shown is None or "labels" in shown else {}
    places = _places(connection, keys) if shown is None or "location" in shown else {}
    return [
        Board(
            **dict(zip(needed, row[1:], strict=True)),
            labels=tagged.get(row[0], {}),
            location=places.get(row[0], ()),
        )
        for row in rows
    ]


def _needed(shown: Collection[str] | None) -> tuple[str, ...]:
    """Return the columns that boards with these fields are made of: few, or all."""
    if shown is None or not _FEW.issuperset(shown):
        return _COLUMNS
    return _FEW_COLUMNS


def _labels(connection: Connection, keys: Sequence[int]) -> dict[int, dict[str, str]]:
    """Return the labels of boards by key of the board."""
    labels: dict[int, dict[str, str]] = {}
    for label in _in_pieces(connection, select(board_label), board_label.c.board_id, keys):
        labels.setdefault(label.board_id, {})[label.key] = label.value
    return labels


def _places(connection: Connection, keys: Sequence[int]) -> dict[int, tuple[Location, ...]]:
    """Return where boards are, by key of the board; the newest place only."""
    places: dict[int, tuple[Location, ...]] = {}
    newest = (
        select(func.max(board_location.c.id))
        .where(board_location.c.board_id == board.c.id)
        .correlate(board)
        .scalar_subquery()
    )
    query = select(board_location).join(
        board, and_(board.c.id == board_location.c.board_id, board_location.c.id == newest)
    )
    for place in _in_pieces(connection, query, board_location.c.board_id, keys):
        names = ("longitude", "latitude", "altitude", "updated_at")
        places[place.board_id] = (Location(**{name: getattr(place, name) for name in names}),)
    return places


def insert_board(connection: Connection, made: Board) -> None:
    """Write a new board with its labels and place."""
    connection.execute(
        insert(board).values(
            uuid=made.uuid,
            project=made.project,
            owner=made.owner,
            name=made.name,
            type=made.type,
            status=made.status,
            fleet=made.fleet,
            mobile=made.mobile,
            connectivity=made.connectivity,
            capabilities=made.capabilities,
            extra=made.extra,
            config=made.config,
            created_at=made.created_at,
        )
    )
    set_labels(connection, made.uuid, made.labels)
    for place in made.location[:1]:
        add_location(connection, made.uuid, place, made.created_at)


def update_board(connection: Connection, uuid: str, values: Mapping[str, Any]) -> None:
    """Change columns of a board."""
    if values:
        connection.execute(update(board).where(board.c.uuid == uuid).values(**values))


def set_labels(connection: Connection, uuid: str, labels: Mapping[str, str]) -> None:
    """Replace all labels of a board."""
    key = key_of(connection, uuid)
    connection.execute(delete(board_label).where(board_label.c.board_id == key))
    if labels:
        connection.execute(
            insert(board_label),
            [{"board_id": key, "key": name, "value": value} for name, value in labels.items()],
        )


def add_location(connection: Connection, uuid: str, place: Location, now: datetime) -> None:
    """Note where a board is from now on."""
    key = key_of(connection, uuid)
    connection.execute(moved(key, place.latitude, place.longitude))
    connection.execute(
        insert(board_location).values(
            board_id=key,
            longitude=place.longitude,
            latitude=place.latitude,
            altitude=place.altitude,
            updated_at=now,
        )
    )


def delete_board(connection: Connection, uuid: str) -> None:
    """Delete a board and what hangs on it."""
    connection.execute(delete(board).where(board.c.uuid == uuid))


def name_taken(connection: Connection, project: str, name: str) -> bool:
    """Say whether a board of the project has this name."""
    named = select(board.c.id).where(board.c.project == project, board.c.name == name)
    return connection.execute(named).first() is not None


def refuse_project(connection: Connection, project: str) -> None:
    """Veto the deletion of a project that has boards.

    :raises ProjectHasBoards: it has
    """
    if connection.execute(select(board.c.id).where(board.c.project == project)).first():
        raise ProjectHasBoards(f"project {project} has boards: delete them first")


def refuse_fleet(connection: Connection, fleet: str) -> None:
    """Veto the deletion of a fleet that has boards.

    :raises FleetInUse: it has
    """
    inside = select(func.count()).select_from(board).where(board.c.fleet == fleet)
    count = connection.execute(inside).scalar()
    if count:
        words = f"{count} board{'' if count == 1 else 's'}: take them out first"
        told = f"fleet {fleet} has {words}, or delete it with release=true"
        raise FleetInUse(told, details={"boards": count})


def release_fleet(connection: Connection, fleet: str, now: datetime) -> None:
    """Take all boards out of a fleet."""
    connection.execute(
        update(board).where(board.c.fleet == fleet).values(fleet=None, updated_at=now)
    )


def key_of(connection: Connection, uuid: str) -> int:
    """Return the database key of a board.

    :raises BoardNotFound: there is none
    """
    key = connection.execute(select(board.c.id).where(board.c.uuid == uuid)).scalar()
    if key is None:
        raise BoardNotFound(f"board {uuid} could not be found")
    return int(key)


def directory(connection: Connection, after: str, limit: int) -> list[dict[str, Any]]:
    """Return the enrolled boards behind a uuid: what a wamp agent must know."""
    rows = connection.execute(
        select(board.c.uuid, board.c.public_key, board.c.project, board.c.name)
        .where(board.c.public_key.is_not(None), board.c.uuid > after)
        .order_by(board.c.uuid)
        .limit(limit)
    )
    return [dict(row._mapping) for row in rows]


def set_presence(
    connection: Connection,
    uuid: str,
    *,
    online: bool,
    agent: str | None,
    session: int | str | None,
    now: datetime,
) -> bool:
    """Note that a board came or went; say whether its status changed.

    A leave counts only for the session that is stored: an older one that ends
    late changes nothing.
    """
    values: dict[str, Any] = {"status_at": now}
    where = [board.c.uuid == uuid, board.c.public_key.is_not(None)]
    if online:
        values |= {"status": ONLINE, "agent": agent, "session": str(session)}
        where.append(or_(board.c.status != ONLINE, board.c.session != str(session)))
    else:
        values |= {"status": OFFLINE, "session": None}
        where.append(board.c.status == ONLINE)
        if session is not None:
            where.append(board.c.session == str(session))
    return connection.execute(update(board).where(*where).values(**values)).rowcount == 1


def online_of_agent(connection: Connection, agent: str) -> dict[str, str]:
    """Return uuid → session of the boards a wamp agent is said to hold."""
    rows = connection.execute(
        select(board.c.uuid, board.c.session).where(
            board.c.agent == agent, board.c.status == ONLINE
        )
    )
    return {row.uuid: row.session for row in rows}


def agents_online(connection: Connection) -> list[str]:
    """Return the wamp agents that are said to hold boards."""
    rows = connection.execute(
        select(board.c.agent)
        .where(board.c.agent.is_not(None), board.c.status == ONLINE)
        .distinct()
    )
    return sorted(row.agent for row in rows)


def count_enrolled(connection: Connection) -> int:
    """Return how many boards have a key."""
    keyed = select(func.count()).select_from(board).where(board.c.public_key.is_not(None))
    return int(connection.execute(keyed).scalar() or 0)


def projects_of(connection: Connection, uuids: Iterable[str]) -> dict[str, str]:
    """Return uuid → project of boards."""
    rows = connection.execute(
        select(board.c.uuid, board.c.project).where(board.c.uuid.in_(list(uuids)))
    )
    return {row.uuid: row.project for row in rows}


def _in_pieces(
    connection: Connection, query: Select[Any], column: Any, keys: Sequence[int]
) -> Iterable[Row[Any]]:
    for at in range(0, len(keys), 500):
        yield from connection.execute(query.where(column.in_(keys[at : at + 500])))
