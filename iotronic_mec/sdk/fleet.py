"""Fleets: named sets of boards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from iotronic_mec.sdk.answer import Answer, read_answer
from iotronic_mec.sdk.board import Board
from iotronic_mec.sdk.names import segment
from iotronic_mec.sdk.paging import iter_items
from iotronic_mec.sdk.resource import MOMENT, Resource
from iotronic_mec.sdk.transport import Call, Json, Transport

PATH = "/v1/fleets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet(Resource):
    """A named set of boards of one project."""

    uuid: str
    name: str | None = None
    project: str | None = None
    description: str | None = None
    extra: Json = None
    created_at: datetime | None = field(default=None, metadata=MOMENT)
    updated_at: datetime | None = field(default=None, metadata=MOMENT)


class Fleets:
    """The fleets of the caller's project; a fleet is given by name or uuid."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def iterate(self, *, limit: int | None = None, **filters: Json) -> Iterator[Fleet]:
        """Yield fleets with all fields.

        :param filters: ``project`` (administrators), ``sort_key``, ``sort_dir``
        """
        items = iter_items(self._transport, f"{PATH}/detail", "fleets", query=filters, limit=limit)
        return map(Fleet.from_wire, items)

    def get(self, fleet: str) -> Fleet:
        """Return one fleet.

        :raises NotFound: there is none of this name or uuid
        """
        return Fleet.from_wire(self._transport.json(Call(method="GET", path=_path(fleet))))

    def create(
        self,
        name: str,
        *,
        description: str = "",
        extra: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Fleet:
        """Make a fleet.

        :raises Conflict: the project has one of this name
        """
        body: dict[str, Any] = {"name": name, "description": description}
        if extra is not None:
            body["extra"] = dict(extra)
        call = Call(method="POST", path=PATH, json=body, idempotency_key=idempotency_key)
        return Fleet.from_wire(self._transport.json(call))

    def update(self, fleet: str, changes: Mapping[str, Any]) -> Fleet:
        """Change fields of a fleet and return it."""
        call = Call(method="PATCH", path=_path(fleet), json=dict(changes))
        return Fleet.from_wire(self._transport.json(call))

    def delete(self, fleet: str, *, release: bool = False) -> None:
        """Delete a fleet.

        :param release: take its boards out first
        :raises Conflict: it has boards
        """
        query: dict[str, Json] = {"release": "true"} if release else {}
        self._transport.send(Call(method="DELETE", path=_path(fleet), query=query))

    def act(
        self,
        fleet: str,
        action: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> Answer:
        """Have all boards of a fleet carry out an action; the answer is a request.

        ``client.requests.wait`` waits for its end, ``results`` has each board's.

        :raises Conflict: the fleet has no boards
        """
        call = Call(
            method="POST",
            path=f"{_path(fleet)}/action",
            json={"action": action, "parameters": dict(parameters or {})},
            idempotency_key=idempotency_key,
        )
        return read_answer(self._transport.send(call))

    def inject(self, fleet: str, plugin: str, *, onboot: bool = False) -> Answer:
        """Send a plugin to all boards of a fleet; the answer is a request, as of :meth:`act`.

        :param onboot: start it with the board
        :raises Conflict: the fleet has no boards
        """
        segment(plugin, "plugin")
        body = {"plugin": plugin, "onboot": onboot}
        call = Call(method="PUT", path=f"{_path(fleet)}/plugins", json=body)
        return read_answer(self._transport.send(call))

    def act_on_plugin(
        self,
        fleet: str,
        plugin: str,
        action: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> Answer:
        """Have all boards of a fleet do something with a plugin; the answer is a request.

        Boards that do not hold it have a result that says so.

        :param action: one of the constants of :mod:`iotronic_mec.sdk.injection`
        :raises Conflict: the fleet has no boards, or the plugin is not for this
        """
        call = Call(
            method="POST",
            path=f"{_path(fleet)}/plugins/{segment(plugin, 'plugin')}",
            json={"action": action, "parameters": dict(parameters or {})},
            idempotency_key=idempotency_key,
        )
        return read_answer(self._transport.send(call))

    def remove_plugin(self, fleet: str, plugin: str) -> Answer:
        """Take a plugin off all boards of a fleet; the answer is a request."""
        path = f"{_path(fleet)}/plugins/{segment(plugin, 'plugin')}"
        return read_answer(self._transport.send(Call(method="DELETE", path=path)))

    def boards(self, fleet: str, *, limit: int | None = None, **filters: Json) -> Iterator[Board]:
        """Yield the boards of a fleet, with all fields.

        :param filters: ``status``, ``label``, ``sort_key``, …
        """
        path = f"{_path(fleet)}/boards/detail"
        items = iter_items(self._transport, path, "boards", query=filters, limit=limit)
        return map(Board.from_wire, items)


def _path(fleet: str) -> str:
    return f"{PATH}/{segment(fleet, 'fleet')}"
