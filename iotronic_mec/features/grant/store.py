"""Every query on grants and their uses."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, insert, or_, select, update

from iotronic_mec.db import keyset, tally
from iotronic_mec.db.prune import delete_old
from iotronic_mec.features.grant.model import (
    MAX_DEPTH,
    PROJECT,
    USER,
    Grant,
    GrantNotFound,
    Hours,
    Terms,
    Use,
)
from iotronic_mec.features.grant.table import grant, grant_use
from iotronic_mec.page import Page

MAX_CANDIDATES = 200
"""Most grants looked at for one operation: the newest of those that one
project gave one caller."""

GIVEN = "given"
RECEIVED = "received"


def insert_grant(connection: Connection, made: Grant) -> None:
    """Write a new grant."""
    terms = made.terms
    connection.execute(
        insert(grant).values(
            uuid=made.uuid,
            parent=made.parent,
            owner=made.owner,
            by_user=made.by_user,
            by_project=made.by_project,
            to_kind=made.to_kind,
            to=made.to,
            kind=terms.kind,
            target=terms.target,
            actions=list(terms.actions),
            not_before=terms.not_before,
            expires_at=terms.expires_at,
            hours=None if terms.hours is None else terms.hours.to_wire(),
            max_uses=terms.max_uses,
            relend=terms.relend,
            description=made.description,
            uses=0,
            created_at=made.created_at,
        )
    )


def find_grant(connection: Connection, uuid: str, *, held: bool = False) -> Grant | None:
    """Return a grant of whatever project, or ``None``; for the cloud itself.

    :param held: keep others from changing it until the transaction ends
    """
    query = select(grant).where(grant.c.uuid == uuid)
    row = connection.execute(query.with_for_update() if held else query).first()
    return None if row is None else _grant(row)


def get_grant(connection: Connection, uuid: str, user: str, project: str | None) -> Grant:
    """Return a grant somebody has a part in.

    :param project: ``None``: an administrator, who sees all
    :raises GrantNotFound: there is none, or it is others'
    """
    query = select(grant).where(grant.c.uuid == uuid)
    if project is not None:
        query = query.where(_seen_by(user, project))
    row = connection.execute(query).first()
    if row is None:
        raise GrantNotFound(f"grant {uuid} could not be found")
    return _grant(row)


def chain(connection: Connection, leaf: Grant) -> list[Grant]:
    """Return the grants a grant was made from and itself, the first one first.

    Shorter than it should be when one is missing: such a grant is dead.
    """
    found = [leaf]
    while found[0].parent is not None and len(found) <= MAX_DEPTH:
        before = find_grant(connection, found[0].parent)
        if before is None:
            break
        found.insert(0, before)
    return found


def descendants(connection: Connection, uuid: str) -> list[str]:
    """Return a grant's uuid and those of all grants made from it."""
    found, level = [uuid], [uuid]
    while level:
        below: list[str] = []
        for piece in _pieces(level):
            query = select(grant.c.uuid).where(grant.c.parent.in_(piece))
            below += [row.uuid for row in connection.execute(query)]
        level = below
        found += level
    return found


def candidates(connection: Connection, user: str, project: str, owner: str) -> list[Grant]:
    """Return the grants a caller has of one project, the newest first.

    :param owner: project of the thing in question
    """
    rows = connection.execute(
        select(grant)
        .where(
            grant.c.owner == owner,
            or_(
                and_(grant.c.to == user, grant.c.to_kind == USER),
                and_(grant.c.to == project, grant.c.to_kind == PROJECT),
            ),
        )
        .order_by(grant.c.revoked_at.is_not(None), grant.c.id.desc())
        .limit(MAX_CANDIDATES)
    )
    return [_grant(row) for row in rows]


def list_page(
    connection: Connection,
    user: str,
    project: str | None,
    page: Page,
    *,
    side: str | None = None,
    target: str | None = None,
) -> list[Grant]:
    """Return a page of the grants somebody has a part in, and one more.

    :param project: ``None``: those of all, for administrators
    :param side: only :data:`GIVEN` or :data:`RECEIVED` ones
    :raises MarkerNotFound: the page's marker is none of these
    """
    scoped = select(grant)
    if project is not None:
        given = or_(grant.c.by_project == project, grant.c.owner == project)
        parts = {GIVEN: given, RECEIVED: _received_by(user, project)}
        scoped = scoped.where(parts[side] if side else _seen_by(user, project))
    filters = [] if target is None else [grant.c.target == target]
    return [_grant(row) for row in keyset.fetch(connection, scoped, grant, page, *filters)]


def revoke(connection: Connection, uuids: Collection[str], now: datetime) -> list[str]:
    """Revoke grants; return those that were not revoked before."""
    fresh: list[str] = []
    for piece in _pieces(list(uuids)):
        open_ = (grant.c.uuid.in_(piece), grant.c.revoked_at.is_(None))
        fresh += [row.uuid for row in connection.execute(select(grant.c.uuid).where(*open_))]
        values = {"revoked_at": now, "updated_at": now}
        connection.execute(update(grant).where(*open_).values(**values))
    return fresh


def count_use(connection: Connection, uuid: str) -> bool:
    """Count one use; ``False`` when there is none left, or it was revoked."""
    changed = connection.execute(
        update(grant)
        .where(
            grant.c.uuid == uuid,
            grant.c.revoked_at.is_(None),
            or_(grant.c.max_uses.is_(None), grant.c.uses < grant.c.max_uses),
        )
        .values(uses=grant.c.uses + 1)
    )
    return changed.rowcount == 1


def insert_use(connection: Connection, made: Use) -> None:
    """Write one use."""
    connection.execute(
        insert(grant_use).values(
            uuid=made.uuid,
            grant=made.grant,
            user=made.user,
            project=made.project,
            kind=made.kind,
            target=made.target,
            action=made.action,
            number=made.number,
            request=made.request,
            created_at=made.created_at,
        )
    )


def list_uses(connection: Connection, grants: Iterable[str], page: Page) -> list[Use]:
    """Return a page of the uses of some grants, and one more."""
    scoped = select(grant_use).where(grant_use.c.grant.in_(list(grants)))
    rows = keyset.fetch(connection, scoped, grant_use, page)
    return [_use(row) for row in rows]


def uses_for_request(connection: Connection, request: str, user: str) -> list[str]:
    """Return the grants under which a user gave an order."""
    rows = connection.execute(
        select(grant_use.c.grant).where(grant_use.c.request == request, grant_use.c.user == user)
    )
    return [row.grant for row in rows]


def uses_of_request(connection: Connection, request: str, board: str) -> list[Use]:
    """Return what was counted for an order to a board; none for one under no grant.

    An order to many boards is counted for each: what is other boards' is left out,
    and what they share is there once.
    """
    concerns = (grant_use.c.kind != "board") | (grant_use.c.target == board)
    rows = connection.execute(select(grant_use).where(grant_use.c.request == request, concerns))
    found = [_use(row) for row in rows]
    return list({(use.grant, use.kind, use.target, use.action): use for use in found}.values())


def prune_uses(connection: Connection, before: datetime, limit: int) -> int:
    """Delete single uses of before a moment; return how many."""
    return delete_old(connection, grant_use, grant_use.c.created_at, before, limit)


def about(connection: Connection, kind: str, target: str) -> list[str]:
    """Return the grants on one thing that are not revoked."""
    rows = connection.execute(
        select(grant.c.uuid).where(
            grant.c.kind == kind, grant.c.target == target, grant.c.revoked_at.is_(None)
        )
    )
    return [row.uuid for row in rows]


def _pieces(uuids: list[str]) -> Iterator[list[str]]:
    """Yield lists that fit into one statement."""
    for at in range(0, len(uuids), 500):
        yield uuids[at : at + 500]


def _received_by(user: str, project: str) -> Any:
    return or_(
        and_(grant.c.to == user, grant.c.to_kind == USER),
        and_(grant.c.to == project, grant.c.to_kind == PROJECT),
    )


def _seen_by(user: str, project: str) -> Any:
    return or_(
        grant.c.by_project == project, grant.c.owner == project, _received_by(user, project)
    )


def _grant(row: Row[Any]) -> Grant:
    return Grant(
        uuid=row.uuid,
        parent=row.parent,
        owner=row.owner,
        by_user=row.by_user,
        by_project=row.by_project,
        to_kind=row.to_kind,
        to=row.to,
        terms=Terms(
            kind=row.kind,
            target=row.target,
            actions=tuple(row.actions),
            not_before=row.not_before,
            expires_at=row.expires_at,
            hours=None if row.hours is None else Hours(**row.hours),
            max_uses=row.max_uses,
            relend=row.relend,
        ),
        description=row.description,
        uses=row.uses,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )


def _use(row: Row[Any]) -> Use:
    return Use(
        uuid=row.uuid,
        grant=row.grant,
        user=row.user,
        project=row.project,
        kind=row.kind,
        target=row.target,
        action=row.action,
        number=row.number,
        request=row.request,
        created_at=row.created_at,
    )


count_grants = tally.rows_of(grant, grant.c.by_project, grant.c.revoked_at.is_(None))
"""Count the grants a project has lent that are not revoked."""
