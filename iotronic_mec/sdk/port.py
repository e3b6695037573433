"""Ports of networks on boards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from iotronic_mec.sdk.names import segment
from iotronic_mec.sdk.paging import iter_items
from iotronic_mec.sdk.resource import MOMENT, Resource
from iotronic_mec.sdk.transport import Call, Json, Transport

PATH = "/v1/ports"


@dataclass(frozen=True, slots=True, kw_only=True)
class Port(Resource):
    """A port of a network, which is an interface of a board; ``driver`` ``fake`` has no network.

    ``network_uuid`` and ``subnet_uuid`` are what was asked for; ``network`` is
    what IoTronic shows: the subnet where there is one.
    """

    uuid: str
    board_uuid: str | None = None
    project: str | None = None
    vif_name: str | None = None
    mac_add: str | None = None
    ip: str | None = None
    prefix_length: int | None = None
    network: str | None = None
    network_uuid: str | None = None
    subnet_uuid: str | None = None
    security_groups: Json = None
    external: str | None = None
    extra: Json = None
    state: str | None = None
    cause: Json = None
    driver: str | None = None
    created_at: datetime | None = field(default=None, metadata=MOMENT)
    updated_at: datetime | None = field(default=None, metadata=MOMENT)


class Ports:
    """The ports of the caller's boards, each given by uuid."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def iterate(
        self, *, board: str | None = None, limit: int | None = None, **filters: Json
    ) -> Iterator[Port]:
        """Yield ports with all fields.

        :param board: only those of one board
        :param filters: ``all_ports`` (administrators), ``sort_key``, …
        """
        path = f"{PATH}/detail" if board is None else f"{_board_path(board)}/detail"
        items = iter_items(self._transport, path, "ports", query=filters, limit=limit)
        return map(Port.from_wire, items)

    def get(self, port: str) -> Port:
        """Return one port.

        :raises NotFound: there is none of this uuid
        """
        return Port.from_wire(self._transport.json(Call(method="GET", path=_path(port))))

    def attach(
        self,
        board: str,
        network: str,
        subnet: str | None = None,
        *,
        security_groups: Sequence[str] = (),
        idempotency_key: str | None = None,
    ) -> Port:
        """Attach a board to a network; all are uuids but the board, which may be a name."""
        body: dict[str, Any] = {"network": network, "security_groups": list(security_groups)}
        if subnet is not None:
            body["subnet"] = subnet
        call = Call(
            method="PUT", path=_board_path(board), json=body, idempotency_key=idempotency_key
        )
        return Port.from_wire(self._transport.json(call))

    def detach(self, port: str) -> None:
        """Take a board off a network.

        :raises NotFound: there is no such port
        """
        self._transport.send(Call(method="DELETE", path=_path(port)))


def _path(port: str) -> str:
    return f"{PATH}/{segment(port, 'port')}"


def _board_path(board: str) -> str:
    return f"/v1/boards/{segment(board, 'board')}/ports"
