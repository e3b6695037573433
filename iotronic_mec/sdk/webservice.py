"""Web services: web servers of boards under host names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from iotronic_mec.sdk.answer import read_answer
from iotronic_mec.sdk.names import segment
from iotronic_mec.sdk.paging import iter_items
from iotronic_mec.sdk.resource import MOMENT, Resource
from iotronic_mec.sdk.transport import Call, Json, Transport

PATH = "/v1/webservices"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webservice(Resource):
    """A web server of a board, at ``host``; ``driver`` ``fake`` publishes nothing."""

    uuid: str
    name: str | None = None
    port: int | None = None
    board_uuid: str | None = None
    project: str | None = None
    secure: bool | None = None
    host: str | None = None
    extra: Json = None
    state: str | None = None
    cause: Json = None
    driver: str | None = None
    created_at: datetime | None = field(default=None, metadata=MOMENT)
    updated_at: datetime | None = field(default=None, metadata=MOMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnabledWebservice(Resource):
    """A board whose web servers may be published, below ``host``."""

    board_uuid: str
    project: str | None = None
    http_port: int | None = None
    https_port: int | None = None
    dns: str | None = None
    zone: str | None = None
    host: str | None = None
    email: str | None = None
    extra: Json = None
    state: str | None = None
    cause: Json = None
    driver: str | None = None
    created_at: datetime | None = field(default=None, metadata=MOMENT)
    updated_at: datetime | None = field(default=None, metadata=MOMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardName:
    """The name a board is to have.

    :param dns: its own part, one label or several
    :param zone: the DNS zone it stands in
    :param email: whom the certificate authority may write to
    """

    dns: str
    zone: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWebservice:
    """A web server to publish.

    :param name: first label of its host name
    :param port: on the board, 1..65535
    :param secure: whether plain HTTP is redirected to HTTPS
    """

    name: str
    port: int
    secure: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)


class Webservices:
    """The web services of the caller's project, each given by uuid."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def iterate(self, *, limit: int | None = None, **filters: Json) -> Iterator[Webservice]:
        """Yield web services with all fields."""
        path = f"{PATH}/detail"
        items = iter_items(self._transport, path, "webservices", query=filters, limit=limit)
        return map(Webservice.from_wire, items)

    def on_board(self, board: str, *, limit: int | None = None) -> Iterator[Webservice]:
        """Yield the web services of a board."""
        path = f"{_board_path(board)}/detail"
        items = iter_items(self._transport, path, "webservices", limit=limit)
        return map(Webservice.from_wire, items)

    def get(self, webservice: str) -> Webservice:
        """Return one web service.

        :raises NotFound: there is none of this uuid
        """
        call = Call(method="GET", path=_path(webservice))
        return Webservice.from_wire(self._transport.json(call))

    def expose(
        self, board: str, new: NewWebservice, *, idempotency_key: str | None = None
    ) -> Webservice:
        """Publish a web server of a board.

        :raises NotFound: web services are not enabled on the board
        :raises Conflict: the board has one of this name or on this port
        """
        body = {
            "name": new.name,
            "port": new.port,
            "secure": new.secure,
            "extra": dict(new.extra),
        }
        call = Call(
            method="PUT", path=_board_path(board), json=body, idempotency_key=idempotency_key
        )
        return Webservice.from_wire(self._transport.json(call))

    def unexpose(self, webservice: str) -> None:
        """Withdraw a web service."""
        self._transport.send(Call(method="DELETE", path=_path(webservice)))

    def enabled(self, *, limit: int | None = None, **filters: Json) -> Iterator[EnabledWebservice]:
        """Yield the boards whose web servers may be published."""
        items = iter_items(
            self._transport,
            "/v1/enabledwebservices/detail",
            "EnabledWebservices",
            query=filters,
            limit=limit,
        )
        return map(EnabledWebservice.from_wire, items)

    def enable(self, board: str, name: BoardName) -> EnabledWebservice:
        """Give a board a name and public ports for its web servers.

        :raises Conflict: it has, or the name is in use
        """
        body = {"dns": name.dns, "zone": name.zone, "email": name.email}
        call = Call(method="POST", path=f"{_board_path(board)}/enable", json=body)
        return EnabledWebservice.from_wire(self._transport.json(call))

    def disable(self, board: str) -> None:
        """Give name and public ports of a board back.

        :raises Conflict: web services are published under its name
        """
        self._transport.send(Call(method="DELETE", path=f"{_board_path(board)}/disable"))

    def renew(self, board: str) -> str:
        """Get a new certificate for a board; return what was done, in words."""
        call = Call(method="POST", path=f"{_board_path(board)}/renew", json={})
        return read_answer(self._transport.send(call)).text


def _path(webservice: str) -> str:
    return f"{PATH}/{segment(webservice, 'web service')}"


def _board_path(board: str) -> str:
    return f"/v1/boards/{segment(board, 'board')}/webservices"
