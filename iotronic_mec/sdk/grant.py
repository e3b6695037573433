"""Grants: lending operations on boards, fleets and plugins, on terms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from iotronic_mec.sdk.names import segment
from iotronic_mec.sdk.paging import iter_items
from iotronic_mec.sdk.resource import MOMENT, Resource
from iotronic_mec.sdk.transport import Call, Json, Transport

PATH = "/v1/grants"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant(Resource):
    """A lending; ``state`` is by its own terms, :meth:`Grants.explain` asks the whole chain."""

    uuid: str
    parent: str | None = None
    kind: str | None = None
    target: str | None = None
    actions: Json = None
    owner: str | None = None
    by_user: str | None = None
    by_project: str | None = None
    to_user: str | None = None
    to_project: str | None = None
    not_before: datetime | None = field(default=None, metadata=MOMENT)
    expires_at: datetime | None = field(default=None, metadata=MOMENT)
    hours: Json = None
    max_uses: int | None = None
    uses: int | None = None
    relend: bool | None = None
    description: str | None = None
    state: str | None = None
    revoked_at: datetime | None = field(default=None, metadata=MOMENT)
    created_at: datetime | None = field(default=None, metadata=MOMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantUse(Resource):
    """One use of a grant."""

    uuid: str
    grant: str | None = None
    user: str | None = None
    project: str | None = None
    kind: str | None = None
    target: str | None = None
    action: str | None = None
    number: int | None = None
    request: str | None = None
    created_at: datetime | None = field(default=None, metadata=MOMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantExplanation(Resource):
    """Whether a grant lets an operation pass now: ``state`` is ``live``, or why not."""

    state: str
    until: datetime | None = field(default=None, metadata=MOMENT)
    chain: Json = None


class Grants:
    """The grants one gave, was given, or whose things they lend."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def iterate(self, *, limit: int | None = None, **filters: Json) -> Iterator[Grant]:
        """Yield grants with all fields.

        :param filters: ``side`` (``given`` or ``received``), ``target``,
            ``all_projects`` (administrators)
        """
        items = iter_items(self._transport, f"{PATH}/detail", "grants", query=filters, limit=limit)
        return map(Grant.from_wire, items)

    def get(self, grant: str) -> Grant:
        """Return one grant.

        :raises NotFound: there is none the caller has a part in
        """
        return Grant.from_wire(self._transport.json(Call(method="GET", path=_path(grant))))

    def create(self, fields: Mapping[str, Any], *, idempotency_key: str | None = None) -> Grant:
        """Lend what the own project has; fields that are ``None`` are left out.

        :param fields: ``kind``, ``target``, ``actions``, ``to_user`` or
            ``to_project``, and conditions
        :raises NotFound: the thing is not the project's
        """
        return self._create(PATH, fields, idempotency_key)

    def create_further(
        self, grant: str, fields: Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> Grant:
        """Lend a grant on; what is left out is as in that one.

        :raises Conflict: it would give more than that one
        """
        return self._create(f"{_path(grant)}/grants", fields, idempotency_key)

    def revoke(self, grant: str) -> None:
        """End a grant and all that were made from it, at once."""
        self._transport.send(Call(method="DELETE", path=_path(grant)))

    def uses(self, grant: str, *, limit: int | None = None) -> Iterator[GrantUse]:
        """Yield the uses of a grant; its lender sees those of the grants made from it as well."""
        items = iter_items(self._transport, f"{_path(grant)}/uses", "uses", query={}, limit=limit)
        return map(GrantUse.from_wire, items)

    def explain(
        self, grant: str, *, action: str | None = None, target: str | None = None
    ) -> GrantExplanation:
        """Say whether a grant lets an operation pass now, and if not, why.

        :param action: for instance ``board.action:DeviceEcho``
        :param target: uuid of a thing within what is lent
        """
        given: dict[str, Json] = {"action": action, "target": target}
        query = {name: value for name, value in given.items() if value is not None}
        call = Call(method="GET", path=f"{_path(grant)}/explain", query=query)
        return GrantExplanation.from_wire(self._transport.json(call))

    def _create(self, path: str, fields: Mapping[str, Any], key: str | None) -> Grant:
        body = {name: value for name, value in fields.items() if value is not None}
        call = Call(method="POST", path=path, json=body, idempotency_key=key)
        return Grant.from_wire(self._transport.json(call))


def _path(grant: str) -> str:
    return f"{PATH}/{segment(grant, 'grant')}"
