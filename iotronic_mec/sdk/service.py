"""Services, and services of boards that are exposed at public ports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from iotronic_mec.sdk.answer import Answer, read_answer
from iotronic_mec.sdk.names import segment
from iotronic_mec.sdk.paging import iter_items
from iotronic_mec.sdk.resource import MOMENT, Resource
from iotronic_mec.sdk.transport import Call, Json, Transport

PATH = "/v1/services"

ENABLE = "ServiceEnable"
DISABLE = "ServiceDisable"
RESTORE = "ServiceRestore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Resource):
    """A port of boards with a name. ``protocol``: TCP, UDP or ANY for both."""

    uuid: str
    name: str | None = None
    project: str | None = None
    port: int | None = None
    protocol: str | None = None
    public: bool | None = None
    extra: Json = None
    created_at: datetime | None = field(default=None, metadata=MOMENT)
    updated_at: datetime | None = field(default=None, metadata=MOMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure(Resource):
    """A service of a board at ``address:public_port``; ``driver`` ``fake`` forwards nothing."""

    uuid: str
    service: str | None = None
    name: str | None = None
    board_uuid: str | None = None
    port: int | None = None
    protocol: str | None = None
    public_port: int | None = None
    address: str | None = None
    state: str | None = None
    cause: Json = None
    driver: str | None = None
    created_at: datetime | None = field(default=None, metadata=MOMENT)
    updated_at: datetime | None = field(default=None, metadata=MOMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewService:
    """A service to make.

    :param port: on the board, 1..65535
    :param protocol: TCP, UDP or ANY
    :param public: whether other projects may expose it on their boards
    """

    name: str
    port: int
    protocol: str = "TCP"
    public: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


class Services:
    """The caller's services and public ones; each is given by name or uuid."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def iterate(
        self, *, public: bool = False, limit: int | None = None, **filters: Json
    ) -> Iterator[Service]:
        """Yield services with all fields.

        :param public: only the public ones of all projects
        :param filters: ``with_public``, ``all_services`` (administrators), …
        """
        path = f"{PATH}/public" if public else f"{PATH}/detail"
        items = iter_items(self._transport, path, "services", query=filters, limit=limit)
        return map(Service.from_wire, items)

    def get(self, service: str) -> Service:
        """Return one service.

        :raises NotFound: there is none of this name or uuid
        """
        return Service.from_wire(self._transport.json(Call(method="GET", path=_path(service))))

    def create(self, new: NewService, *, idempotency_key: str | None = None) -> Service:
        """Make a service.

        :raises Conflict: the project has one of this name
        """
        body = {
            "name": new.name,
            "port": new.port,
            "protocol": new.protocol,
            "public": new.public,
            "extra": dict(new.extra),
        }
        call = Call(method="POST", path=PATH, json=body, idempotency_key=idempotency_key)
        return Service.from_wire(self._transport.json(call))

    def update(self, service: str, changes: Mapping[str, Any]) -> Service:
        """Change fields of a service and return it.

        :raises Conflict: port or protocol of one that is exposed
        """
        call = Call(method="PATCH", path=_path(service), json=dict(changes))
        return Service.from_wire(self._transport.json(call))

    def delete(self, service: str, *, force: bool = False) -> None:
        """Delete a service.

        :param force: withdraw it first from all boards, those of other projects too
        :raises Conflict: it is exposed on a board; ``details`` say on how many of
            ``others``. By force: it is still being withdrawn on some, try again later
        """
        query: dict[str, Json] = {"force": "true"} if force else {}
        self._transport.send(Call(method="DELETE", path=_path(service), query=query))

    def on_board(self, board: str, *, limit: int | None = None) -> Iterator[Exposure]:
        """Yield what is exposed on a board."""
        path = f"{_board_path(board)}/detail"
        return map(Exposure.from_wire, iter_items(self._transport, path, "exposed", limit=limit))

    def act(self, board: str, service: str, action: str) -> Answer:
        """Have a service of a board enabled, disabled or restored.

        :param action: one of the constants of this module
        """
        path = f"{_board_path(board)}/{segment(service, 'service')}/action"
        call = Call(method="POST", path=path, json={"action": action})
        return read_answer(self._transport.send(call))

    def enable(self, board: str, service: str) -> Answer:
        """Expose a service of a board at a public port.

        :raises Conflict: it is exposed already
        """
        return self.act(board, service, ENABLE)

    def disable(self, board: str, service: str) -> Answer:
        """Give the public port of a service of a board back.

        :raises NotFound: it is not exposed there
        """
        return self.act(board, service, DISABLE)

    def restore(self, board: str, service: str | None = None) -> None:
        """Open the tunnel of a service once more, or all of a board's."""
        if service is not None:
            self.act(board, service, RESTORE)
            return
        path = f"{_board_path(board)}/restore"
        self._transport.send(Call(method="POST", path=path, json={"action": RESTORE}))

    def status(self, board: str) -> str:
        """Return in words what is exposed on a board, and whether it is reachable."""
        call = Call(method="GET", path=f"{_board_path(board)}/status")
        return read_answer(self._transport.send(call)).text


def _path(service: str) -> str:
    return f"{PATH}/{segment(service, 'service')}"


def _board_path(board: str) -> str:
    return f"/v1/boards/{segment(board, 'board')}/services"
