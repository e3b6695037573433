"""Rules on grants: lend, lend on, revoke, explain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from iotronic_mec import ids
from iotronic_mec.context import Context
from iotronic_mec.errors import BadRequest, NotFound
from iotronic_mec.feature import Parts
from iotronic_mec.features.grant import store
from iotronic_mec.features.grant.model import (
    EVERY,
    FLEET,
    KIND,
    LIVE,
    MAX_DEPTH,
    NOT_LENT,
    NOT_YET,
    OUT_OF_HOURS,
    PROJECT,
    USER,
    Grant,
    GrantWider,
    NotRelendable,
    NotYours,
    Terms,
    check_actions,
    check_hours,
    lends,
    plain_id,
    wider,
)
from iotronic_mec.lent import Place
from iotronic_mec.rpc.expose import expose

if TYPE_CHECKING:
    from sqlalchemy import Connection

MAX_LIFE = timedelta(days=3650)
"""Longest time a grant may be given an end in."""


class GrantCommands:
    """Grants of projects.

    :param parts: what commands are built from
    :param made: the commands of earlier features; none is needed
    """

    namespace = KIND

    def __init__(self, parts: Parts, made: Mapping[str, Any]) -> None:
        del made
        self._parts = parts

    @expose
    def create(
        self,
        context: Context,
        *,
        terms: dict[str, Any],
        to_kind: str,
        to: str,
        description: str = "",
        parent: str | None = None,
    ) -> str:
        """Lend; return the new grant's uuid.

        :param terms: the JSON form of :class:`~.model.Terms`; with ``parent``
            missing conditions are those of that grant
        :param to_kind: ``user`` or ``project``; ``to`` is the uuid
        :param parent: the grant that is lent on
        :raises GrantNotFound: no such grant was given to the caller
        :raises GrantWider: it would give more than the one lent on
        :raises NotFound: the thing is not the project's
        """
        uuid = context.new_uuid(KIND)
        if to_kind not in (USER, PROJECT):
            raise BadRequest("to_kind: user or project is expected", details={"field": "to_kind"})

        def change(connection: Connection) -> str:
            if store.find_grant(connection, uuid) is not None:
                return uuid  # the same request before
            if parent is None:
                made = self._first(connection, context, uuid, terms)
            else:
                made = self._further(connection, context, uuid, terms, parent)
            made = replace(made, to_kind=to_kind, to=plain_id(to), description=description)
            self._parts.quota.check(connection, made.by_project, "grants")
            store.insert_grant(connection, made)
            told: dict[str, Any] = {"to_kind": to_kind, "to": made.to, "kind": made.terms.kind}
            told |= {"target": made.terms.target, "actions": list(made.terms.actions)}
            told |= {} if parent is None else {"parent": parent}
            self._note(connection, context, "create", made, told)
            return uuid

        return self._parts.database.write(change)

    @expose
    def revoke(self, context: Context, *, grant: str) -> list[str]:
        """End a grant and all that were made from it, at once; return which.

        :raises GrantNotFound: the caller has no part in it
        :raises NotYours: it was given to the caller, not by them
        """
        now = self._parts.clock.now()

        def change(connection: Connection) -> list[str]:
            found = self._get(connection, context, grant)
            lenders = {each.by_project for each in store.chain(connection, found)}
            if context.project not in lenders | {found.owner} and not context.is_admin:
                raise NotYours("only who lent it, or who lent to them, may revoke a grant")
            ended = store.revoke(connection, store.descendants(connection, found.uuid), now)
            if ended:
                self._note(connection, context, "revoke", found, {"ended": len(ended)})
            for hook in self._parts.on_grant_end:
                hook(self._parts, connection, ended)
            return ended

        return self._parts.database.write(change)

    @expose
    def use(self, context: Context, *, kind: str, uuid: str, action: str) -> bool:
        """Count the reading of another project's thing under a grant.

        :returns: ``False`` when no grant lets it pass
        """
        missing = NotFound()
        with self._parts.database.read() as connection:
            lent = self._parts.access.find(connection, context, kind, uuid, action, missing)
        if lent is None:
            return False
        try:
            self._parts.database.write(
                lambda connection: self._parts.access.charge(connection, context, lent)
            )
        except NotFound:
            return False
        return True

    @expose
    def explain(
        self, context: Context, *, grant: str, action: str | None = None, target: str | None = None
    ) -> dict[str, Any]:
        """Say whether a grant lets an operation pass now, and which of its chain does not.

        :param target: uuid of the thing; ``None`` for the grant's own target
        :returns: ``{"state", "until", "chain"}``
        """
        now = self._parts.clock.now()
        with self._parts.database.read() as connection:
            found = self._get(connection, context, grant)
            chain = store.chain(connection, found)
            kind, uuid = self._thing(found, target)
            find = self._parts.lendable[kind].find
            place = Place(uuid=EVERY, project=found.owner) if uuid == EVERY else None
            if place is None:
                place = find(connection, uuid)
            if uuid != found.terms.target and not _is_about(found, kind, uuid, place):
                # whether there is such a thing is not the grant's to tell
                state = NOT_LENT
            else:
                state = self._parts.access.standing(connection, found, kind, place, action)
        ends = [moment for each in chain if (moment := each.until(now)) is not None]
        return {
            "state": state,
            "until": min(ends).isoformat() if ends and state == LIVE else None,
            "chain": [{"grant": each.uuid, "state": each.standing(now)} for each in chain],
        }

    @expose
    def may_read_request(self, context: Context, *, request: str) -> bool:
        """Say whether the caller gave this order under a grant that still stands."""
        now = self._parts.clock.now()
        user, project = plain_id(context.user), plain_id(context.project)
        with self._parts.database.read() as connection:
            for uuid in store.uses_for_request(connection, request, context.user):
                found = store.find_grant(connection, uuid)
                if (
                    found is not None
                    and found.is_for(user, project)
                    and all(
                        each.revoked_at is None
                        and (each.terms.expires_at is None or now < each.terms.expires_at)
                        for each in store.chain(connection, found)
                    )
                ):
                    return True
        return False

    def _first(
        self, connection: Connection, context: Context, uuid: str, given: Mapping[str, Any]
    ) -> Grant:
        """Return a grant of the caller's own thing; its receiver is still to be filled in."""
        kind = str(given.get("kind") or "")
        known = self._parts.lendable.get(kind)
        if known is None:
            kinds = ", ".join(sorted(self._parts.lendable))
            raise BadRequest(f"kind: one of {kinds} is expected", details={"field": "kind"})
        owner, target = context.project, str(given.get("target") or "")
        if not target:
            raise BadRequest(
                "target: a uuid, a name or * is expected", details={"field": "target"}
            )
        if target != EVERY:
            place = known.resolve(connection, context.project, target, context.is_admin)
            owner, target = place.project, place.uuid
        terms = self._terms({**given, "kind": kind, "target": target})
        return _made(uuid, None, owner, context, terms, self._parts.clock.now())

    def _further(
        self,
        connection: Connection,
        context: Context,
        uuid: str,
        given: Mapping[str, Any],
        parent: str,
    ) -> Grant:
        """Return a grant made from one the caller was given; never a wider one."""
        old = store.find_grant(connection, ids.normal_uuid(parent), held=True)
        user, project = plain_id(context.user), plain_id(context.project)
        if old is None or not old.is_for(user, project):
            # one the caller lends, or only sees, is not theirs to lend on
            self._get(connection, context, parent)
            raise NotYours("only who was given a grant may lend it on")
        if len(store.chain(connection, old)) >= MAX_DEPTH:
            raise NotRelendable(f"a chain of grants is at most {MAX_DEPTH} long")
        filled = {**_wire(old.terms), **{k: v for k, v in given.items() if v is not None}}
        if old.terms.max_uses is not None and given.get("max_uses") is None:
            filled["max_uses"] = old.terms.max_uses - old.uses
        kind, target = self._thing(old, given.get("target"), given.get("kind"))
        new = self._terms({**filled, "kind": kind, "target": target})
        place = Place(uuid=EVERY, project=old.owner)
        if target != EVERY:
            found = self._parts.lendable[kind].find(connection, target)
            if found is None or not _is_about(old, kind, target, found):
                raise GrantWider(
                    "target: must be what that grant is about, or within it",
                    details={"field": "target"},
                )
            place = found
        elif (old.terms.kind, old.terms.target) != (kind, EVERY):
            raise GrantWider("target: that grant is not about all", details={"field": "target"})
        state = self._parts.access.standing(connection, old, kind, place, None)
        if state not in (LIVE, NOT_YET, OUT_OF_HOURS):
            raise NotRelendable(f"the grant cannot be lent on: it is {state}")
        problem = wider(new, old.terms, old.uses)
        if problem is not None:
            field, rule = problem
            raise GrantWider(f"{field}: {rule}", details={"field": field})
        return _made(uuid, old.uuid, old.owner, context, new, self._parts.clock.now())

    def _terms(self, given: Mapping[str, Any]) -> Terms:
        """Return checked terms.

        :raises BadRequest: names the field and the rule
        """
        now = self._parts.clock.now()
        begins, ends = _moment(given, "not_before"), _moment(given, "expires_at")
        if ends is not None and not now < ends <= now + MAX_LIFE:
            raise BadRequest(
                "expires_at: must lie in the future, at most ten years ahead",
                details={"field": "expires_at"},
            )
        if begins is not None and ends is not None and begins >= ends:
            raise BadRequest(
                "not_before: must lie before expires_at", details={"field": "not_before"}
            )
        uses = given.get("max_uses")
        if uses is not None and not 1 <= uses <= 10**12:
            raise BadRequest("max_uses: at least 1 is expected", details={"field": "max_uses"})
        kind = str(given["kind"])
        known = self._parts.lent_actions.get(kind, {})
        return Terms(
            kind=kind,
            target=str(given["target"]),
            actions=check_actions(given.get("actions") or (), known),
            not_before=begins,
            expires_at=ends,
            hours=check_hours(given.get("hours")),
            max_uses=uses,
            relend=bool(given.get("relend", True)),
        )

    def _thing(self, found: Grant, target: str | None, kind: str | None = None) -> tuple[str, str]:
        """Return kind and uuid of a thing somebody means within a grant."""
        if target is None or target == found.terms.target:
            return found.terms.kind, found.terms.target
        if target != EVERY and not ids.is_uuid(target):
            raise BadRequest(
                "target: things of others are named by their uuid", details={"field": "target"}
            )
        default = "board" if found.terms.kind == FLEET else found.terms.kind
        wanted = kind or default
        if wanted not in self._parts.lendable:
            raise BadRequest("kind: there is no such kind", details={"field": "kind"})
        return wanted, plain_id(target)

    def _get(self, connection: Connection, context: Context, grant: str) -> Grant:
        project = None if context.is_admin else plain_id(context.project)
        return store.get_grant(connection, ids.normal_uuid(grant), plain_id(context.user), project)

    def _note(
        self,
        connection: Connection,
        context: Context,
        verb: str,
        grant: Grant,
        details: Mapping[str, Any],
    ) -> None:
        self._parts.audit(connection, context, f"grant.{verb}", KIND, grant.uuid, details=details)
        topic = {"create": "grant.created", "revoke": "grant.revoked"}[verb]
        body = {"owner": grant.owner, **details}
        self._parts.emit(connection, grant.by_project, topic, grant.uuid, body)


def thing_deleted(kind: str) -> Any:
    """Return the hook that ends the grants on a thing of this kind with it."""

    def revoke(parts: Parts, connection: Connection, uuid: str) -> None:
        now = parts.clock.now()
        for grant in store.about(connection, kind, uuid):
            ended = store.revoke(connection, store.descendants(connection, grant), now)
            for hook in parts.on_grant_end:
                hook(parts, connection, ended)

    return revoke


def _is_about(grant: Grant, kind: str, uuid: str, place: Place | None) -> bool:
    """Say whether a thing is within what a grant lends: others' things look like none."""
    if place is None or place.project != grant.owner:
        return False
    return lends(grant.terms, kind, uuid, place.within)


def _made(
    uuid: str, parent: str | None, owner: str, context: Context, terms: Terms, now: datetime
) -> Grant:
    """Return a grant whose receiver is still to be filled in."""
    first_by = owner if parent is None else plain_id(context.project)
    return Grant(
        uuid=uuid,
        parent=parent,
        owner=owner,
        by_user=plain_id(context.user),
        by_project=first_by,
        to_kind=USER,
        to="",
        terms=terms,
        created_at=now,
    )


def _wire(terms: Terms) -> dict[str, Any]:
    """Return the JSON form of terms."""
    return {
        "kind": terms.kind,
        "target": terms.target,
        "actions": list(terms.actions),
        "not_before": None if terms.not_before is None else terms.not_before.isoformat(),
        "expires_at": None if terms.expires_at is None else terms.expires_at.isoformat(),
        "hours": None if terms.hours is None else terms.hours.to_wire(),
        "max_uses": terms.max_uses,
        "relend": terms.relend,
    }


def _moment(given: Mapping[str, Any], field: str) -> datetime | None:
    text = given.get(field)
    return None if text is None else datetime.fromisoformat(str(text))
