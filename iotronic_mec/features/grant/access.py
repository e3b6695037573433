"""Whether a grant lets an operation on another project's thing pass.

The one place that decides. A grant never gives more than its lender has at this
moment: the thing must still be the owner's, everybody in the chain must still
be somebody who may use it, and every grant of the chain must be live.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from iotronic_mec import ids
from iotronic_mec.clock import Clock
from iotronic_mec.context import ADMIN, Context
from iotronic_mec.feature import AuditWriter, Lendable
from iotronic_mec.features.grant import store
from iotronic_mec.features.grant.model import (
    DEAD,
    KIND,
    LIVE,
    NOT_LENT,
    Grant,
    Use,
    covers,
    lends,
    may_lend,
    plain_id,
)
from iotronic_mec.features.identity import store as identity_store
from iotronic_mec.lent import Lent, Place

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from iotronic_mec.db.session import Database

LOG = logging.getLogger(__name__)

REFUSALS_PER_MINUTE = 30
"""Most rows of the audit on refusals by one grant in a minute; the rest is logged only."""


class GrantAccess:
    """Decides whether a grant lets an operation pass; see ``feature.Access``.

    :param embedded: whether users and their roles are in our own database;
        elsewhere a lender's roles are not known here
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: AuditWriter,
        lendable: Mapping[str, Lendable],
        *,
        embedded: bool = True,
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._lendable = lendable
        self._embedded = embedded
        self._refused: dict[str, int] = {}
        self._minute = 0

    def find(
        self, connection: Any, context: Context, kind: str, uuid: str, action: str, missing: Any
    ) -> Lent | None:
        """Return what lets the operation pass; the same work whether the thing exists."""
        place = self._lendable[kind].find(connection, uuid)
        given = store.candidates(
            connection,
            plain_id(context.user),
            plain_id(context.project),
            place.project if place else "",
        )
        refusal: tuple[Grant, str] | None = None
        # one that is counted is left for when nothing else lets it pass
        for each in sorted(given, key=lambda each: each.terms.max_uses is not None):
            if place is None or not lends(each.terms, kind, uuid, place.within):
                continue
            reason = self.standing(connection, each, kind, place, action)
            if reason == LIVE:
                return Lent(grant=each.uuid, kind=kind, uuid=uuid, action=action, missing=missing)
            refusal = refusal or (each, reason)
        if refusal is not None:
            self._note_refusal(context, *refusal, kind, uuid, action)
        return None

    def charge(
        self, connection: Any, context: Context, lent: Lent, request: str | None = None
    ) -> None:
        """Check it again and count it, once in each grant of the chain."""
        leaf = store.find_grant(connection, lent.grant)
        place = self._lendable[lent.kind].find(connection, lent.uuid)
        if leaf is None or place is None or not self._is_for(leaf, context):
            raise lent.missing
        if self.standing(connection, leaf, lent.kind, place, lent.action) != LIVE:
            raise lent.missing
        for each in store.chain(connection, leaf):
            # the condition is in the statement: of two that want the last use one gets it
            if not store.count_use(connection, each.uuid):
                raise lent.missing
        counted = store.find_grant(connection, leaf.uuid)
        number = counted.uses if counted is not None else leaf.uses + 1
        made = Use(
            uuid=ids.new_uuid(),
            grant=leaf.uuid,
            user=context.user,
            project=context.project,
            kind=lent.kind,
            target=lent.uuid,
            action=lent.action,
            number=number,
            request=request,
            created_at=self._clock.now(),
        )
        store.insert_use(connection, made)
        details = {"kind": lent.kind, "target": lent.uuid, "action": lent.action, "use": number}
        details |= {} if request is None else {"request": request}
        self._audit(connection, context, "grant.use", KIND, leaf.uuid, details=details)

    def still_passes(self, connection: Any, request: str, board: str) -> bool:
        """Look at the grants an order was counted for; its own use is no hindrance.

        :param board: of an order to many only what concerns this one is looked at
        """
        for use in store.uses_of_request(connection, request, board):
            leaf = store.find_grant(connection, use.grant)
            place = self._lendable[use.kind].find(connection, use.target)
            if leaf is None:
                return False
            found = self.standing(connection, leaf, use.kind, place, use.action, counting=False)
            if found != LIVE:
                return False
        return True

    def standing(
        self,
        connection: Connection,
        leaf: Grant,
        kind: str,
        place: Place | None,
        action: str | None,
        *,
        counting: bool = True,
    ) -> str:
        """Return :data:`~.model.LIVE` when a grant lets an operation pass now, or why not.

        :param action: ``None``: whatever the grant lends
        :param counting: whether one that is used up does not pass
        """
        now = self._clock.now()
        chain = store.chain(connection, leaf)
        if place is None or chain[0].parent is not None or place.project != chain[0].owner:
            return DEAD
        before: Grant | None = None
        for each in chain:
            if not lends(each.terms, kind, place.uuid, place.within):
                return NOT_LENT
            if action is not None and not covers(each.terms.actions, action):
                return NOT_LENT
            found = each.standing(now, counting=counting)
            if found != LIVE:
                return found
            if not self._may_lend(connection, each, before):
                return DEAD
            before = each
        return LIVE

    def _may_lend(self, connection: Connection, given: Grant, before: Grant | None) -> bool:
        if before is not None and not before.is_for(given.by_user, given.by_project):
            return False
        if not self._embedded:
            return True
        lender = identity_store.find_user(connection, given.by_user)
        if lender is None or not lender.enabled:
            return False
        roles = identity_store.roles_in(connection, given.by_user, given.by_project)
        return may_lend(roles) or ADMIN in lender.roles

    def _is_for(self, given: Grant, context: Context) -> bool:
        return given.is_for(plain_id(context.user), plain_id(context.project))

    def _note_refusal(
        self, context: Context, given: Grant, reason: str, kind: str, uuid: str, action: str
    ) -> None:
        LOG.info(
            "grant %s does not let %s on %s %s pass: %s", given.uuid, action, kind, uuid, reason
        )
        minute = int(self._clock.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._refused = minute, {}
        count = self._refused[given.uuid] = self._refused.get(given.uuid, 0) + 1
        if count > REFUSALS_PER_MINUTE:
            return
        details = {"kind": kind, "target": uuid, "action": action}
        self._database.write(
            lambda connection: self._audit(
                connection,
                context,
                "grant.use",
                KIND,
                given.uuid,
                outcome="refused",
                reason=reason,
                details=details,
            )
        )
