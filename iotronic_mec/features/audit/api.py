"""Routes of the audit."""

from __future__ import annotations

from typing import Any

from iotronic_mec.api import paging
from iotronic_mec.api.controller import Call
from iotronic_mec.errors import BadRequest
from iotronic_mec.feature import Route
from iotronic_mec.features.audit import store
from iotronic_mec.features.audit.model import AuditRow
from iotronic_mec.features.audit.schema import AuditList, AuditQuery, HeadShape
from iotronic_mec.ids import is_uuid, normal_uuid

FILTERS = ("project", "user", "action", "target_kind", "target", "outcome", "request_id")


def index(call: Call) -> dict[str, Any]:
    """List the rows a caller may see, in the order of the chain."""
    query: AuditQuery = call.query
    filters = {name: value for name in FILTERS if (value := getattr(query, name)) is not None}
    for name in ("project", "user"):
        if is_uuid(filters.get(name, "")):
            # Keystone writes no dashes
            filters[name] = normal_uuid(filters[name])
    if not call.allows("iot:audit:get_all"):
        if filters.get("project", call.context.project) != call.context.project:
            raise BadRequest(
                "project: only administrators may name another", details={"field": "project"}
            )
        filters["project"] = call.context.project
    page = paging.Page(
        limit=min(query.limit or call.settings.max_limit, call.settings.max_limit),
        descending=query.sort_dir == "desc",
    )
    with call.database.read() as connection:
        rows = store.list_rows(
            connection,
            limit=page.limit,
            after=query.marker,
            descending=page.descending,
            filters=filters,
        )
        begins = store.first_sequence(connection)
    body = paging.collection(call, "audit", rows, page, AuditRow.to_wire, _marker)
    return {**body, "begins": begins or 1}


def head(call: Call) -> dict[str, Any]:
    """Show the end of the chain."""
    with call.database.read() as connection:
        last = store.head(connection)
    return {"head": str(last), "sequence": last.sequence, "hash": last.hash}


def _marker(row: AuditRow) -> str:
    return str(row.sequence)


ROUTES = (
    Route(
        method="GET",
        path="/v1/audit",
        handler=index,
        policy="iot:audit:get",
        summary="List who did what, in the order of the chain",
        query=AuditQuery,
        answer=AuditList,
    ),
    Route(
        method="GET",
        path="/v1/audit/head",
        handler=head,
        policy="iot:audit:head",
        summary="Show the end of the chain",
        answer=HeadShape,
    ),
)
