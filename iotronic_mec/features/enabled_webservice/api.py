"""Routes of enabled web services."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from iotronic_mec.api.controller import Answer, Call
from iotronic_mec.api.fields import Words
from iotronic_mec.api.listing import Listing
from iotronic_mec.clock import iso
from iotronic_mec.feature import Route
from iotronic_mec.features.enabled_webservice import store
from iotronic_mec.features.enabled_webservice.model import EnabledWebservice
from iotronic_mec.features.enabled_webservice.schema import (
    EnableBody,
    EnabledList,
    EnabledQuery,
    EnabledShape,
    RenewBody,
)
from iotronic_mec.page import Page

FIELDS = tuple(EnabledShape.model_fields)
DEFAULT_FIELDS = tuple(name for name in FIELDS if name != "email")
SORTABLE = frozenset(
    {"http_port", "https_port", "dns", "zone", "state", "created_at", "updated_at"}
)


def enable(call: Call) -> Answer:
    """Give a board a name and public ports for its web servers."""
    uuid = call.ask(
        "enabled_webservice", "enable", board=call.path["board"], **call.body.model_dump()
    )
    with call.database.read() as connection:
        found = store.get_enabled(connection, uuid)
    where = f"{call.base_url}/v1/enabledwebservices"
    return Answer(body=LISTING.whole(call, found), headers={"Location": where})


def disable(call: Call) -> None:
    """Give name and ports of a board back."""
    call.ask("enabled_webservice", "disable", board=call.path["board"])


def renew(call: Call) -> Any:
    """Get a new certificate for a board."""
    return call.ask("enabled_webservice", "renew", board=call.path["board"])


def _rows(call: Call, connection: Any, page: Page) -> Sequence[EnabledWebservice]:
    return store.list_page(connection, call.context.project, page)


def _present(
    call: Call, enabled: EnabledWebservice, fields: Collection[str] = ()
) -> dict[str, Any]:
    del fields  # all of them are at hand
    return {
        "board_uuid": enabled.board,
        "project": enabled.project,
        "http_port": enabled.http_port,
        "https_port": enabled.https_port,
        "dns": enabled.dns,
        "zone": enabled.zone,
        "host": enabled.host,
        "email": enabled.email,
        "extra": enabled.extra,
        "state": enabled.state,
        "cause": enabled.cause,
        "driver": call.settings.reach.proxy_driver,
        "created_at": iso(enabled.created_at),
        "updated_at": iso(enabled.updated_at),
    }


LISTING = Listing(
    plural="EnabledWebservices",
    fields=FIELDS,
    default=DEFAULT_FIELDS,
    sortable=SORTABLE,
    rows=_rows,
    present=_present,
)

ROUTES = (
    *LISTING.routes(
        path="/v1/enabledwebservices",
        noun="boards whose web servers may be published",
        policy="iot:enabledwebservice:get",
        query=EnabledQuery,
        answer=EnabledList,
    ),
    Route(
        method="POST",
        path="/v1/boards/{board}/webservices/enable",
        handler=enable,
        policy="iot:enabledwebservice:create",
        summary="Give a board a name and public ports for its web servers",
        body=EnableBody,
        answer=EnabledShape,
        status=201,
        errors=(409, 502),
    ),
    Route(
        method="DELETE",
        path="/v1/boards/{board}/webservices/disable",
        handler=disable,
        policy="iot:enabledwebservice:delete",
        summary="Give name and public ports of a board back",
        status=204,
        errors=(409,),
    ),
    Route(
        method="GET",
        path="/v1/boards/{board}/webservices/renew",
        handler=renew,
        policy="iot:enabledwebservice:renew",
        summary="Get a new certificate for a board (as IoTronic's clients ask; use POST)",
        answer=Words,
        errors=(409, 502),
    ),
    Route(
        method="POST",
        path="/v1/boards/{board}/webservices/renew",
        handler=renew,
        policy="iot:enabledwebservice:renew",
        summary="Get a new certificate for a board",
        body=RenewBody,
        answer=Words,
        errors=(409, 502),
    ),
)
