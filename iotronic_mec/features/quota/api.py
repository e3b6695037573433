"""Routes of quotas."""

from __future__ import annotations

from typing import Any

from iotronic_mec.api.controller import Call
from iotronic_mec.feature import Route
from iotronic_mec.features.quota.schema import QuotaReset, QuotasShape, QuotaUpdate


def index(call: Call) -> Any:
    """Show the limits of the caller's project."""
    return call.ask("quota", "show", project=call.context.project)


def show(call: Call) -> Any:
    """Show the limits of a project."""
    return call.ask("quota", "show", project=call.path["project"])


def update(call: Call) -> Any:
    """Give a project limits of its own."""
    body: QuotaUpdate = call.body
    call.ask("quota", "update", project=call.path["project"], limits=body.limits)
    return call.ask("quota", "show", project=call.path["project"])


def delete(call: Call) -> None:
    """Give a project the default limits again."""
    call.ask("quota", "reset", project=call.path["project"], resource=call.query.resource)


ROUTES = (
    Route(
        method="GET",
        path="/v1/quotas",
        handler=index,
        policy="iot:quota:get",
        summary="Show the own project's limits and what is used",
        answer=QuotasShape,
    ),
    Route(
        method="GET",
        path="/v1/quotas/{project}",
        handler=show,
        policy="iot:quota:get_one",
        summary="Show a project's limits and what is used",
        answer=QuotasShape,
    ),
    Route(
        method="PUT",
        path="/v1/quotas/{project}",
        handler=update,
        policy="iot:quota:update",
        summary="Give a project limits of its own; those not named stay",
        body=QuotaUpdate,
        answer=QuotasShape,
        errors=(409,),
    ),
    Route(
        method="DELETE",
        path="/v1/quotas/{project}",
        handler=delete,
        policy="iot:quota:delete",
        summary="Give a project the default limits again",
        query=QuotaReset,
        status=204,
        errors=(409,),
    ),
)
