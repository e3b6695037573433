"""The audit: who did what, and whether the record is whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from iotronic_mec.audit_chain import Head, Verdict, verify
from iotronic_mec.sdk.errors import UnexpectedAnswer
from iotronic_mec.sdk.paging import iter_items
from iotronic_mec.sdk.resource import MOMENT, Resource
from iotronic_mec.sdk.transport import Call, Json, Transport

PATH = "/v1/audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow(Resource):
    """One row of the audit."""

    sequence: int
    time: datetime | None = field(default=None, metadata=MOMENT)
    project: str | None = None
    user: str | None = None
    user_name: str | None = None
    action: str | None = None
    target_kind: str | None = None
    target: str | None = None
    outcome: str | None = None
    reason: str | None = None
    request_id: str | None = None
    details: Json = None
    previous: str | None = None
    hash: str | None = None


class Audit:
    """The audit: all of it for administrators, their own rows for others."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def iterate(self, *, limit: int | None = None, **filters: Json) -> Iterator[AuditRow]:
        """Yield rows, the oldest first unless ``sort_dir`` says otherwise.

        :param filters: ``user``, ``action``, ``target_kind``, ``target``,
            ``outcome``, ``request_id``, ``project`` (administrators)
        """
        return map(AuditRow.from_wire, self.iter_raw(limit=limit, **filters))

    def iter_raw(self, *, limit: int | None = None, **filters: Json) -> Iterator[dict[str, Any]]:
        """Yield rows exactly as they came: what the hashes are made of."""
        return iter_items(self._transport, PATH, "audit", query=filters, limit=limit)

    def head(self) -> Head:
        """Return the end of the chain, to be kept where the cloud cannot reach.

        :raises UnexpectedAnswer: the answer is no head
        """
        told = self._transport.json(Call(method="GET", path=f"{PATH}/head"))
        try:
            return Head.parse(str(told["head"]))
        except (KeyError, TypeError, ValueError) as error:
            raise UnexpectedAnswer("the answer is no head of the audit") from error

    def verify(
        self, *, expected: Head | Iterable[Head] | None = None, own_rows: bool = False
    ) -> Verdict:
        """Fetch the whole audit and check its chain here, not in the cloud.

        :param expected: heads kept before; show a cut end and a chain signed anew
        :param own_rows: the caller reads a selection; gaps are no findings
        """
        return verify(self.iter_raw(), expected=expected, own_rows=own_rows)
