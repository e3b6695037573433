"""Boards: register, list, change, delete; ping, echo, and why not online."""

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

PATH = "/v1/boards"

PING = "DevicePing"
ECHO = "DeviceEcho"


@dataclass(frozen=True, slots=True, kw_only=True)
class Board(Resource):
    """A board.

    ``level`` is what its sandbox holds; ``code`` and ``enrol_url`` are there
    once, in the answer of create.
    """

    uuid: str
    name: str | None = None
    status: str | None = None
    type: str | None = None
    code: str | None = None
    enrol_url: str | None = None
    agent: str | None = None
    session: str | None = None
    owner: str | None = None
    project: str | None = None
    fleet: str | None = None
    mobile: bool | None = None
    lr_version: str | None = None
    level: str | None = None
    mac_addr: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    capabilities: Json = None
    connectivity: Json = None
    location: Json = None
    extra: Json = None
    config: Json = None
    status_at: datetime | None = field(default=None, metadata=MOMENT)
    created_at: datetime | None = field(default=None, metadata=MOMENT)
    updated_at: datetime | None = field(default=None, metadata=MOMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBoard:
    """A board to register.

    :param code: enrolment code, 8 to 36 characters; ``None``: the cloud makes one
    :param fleet: name or uuid of a fleet of the project
    :param location: list of ``{"latitude", "longitude", "altitude"}``, strings
    :param more: further fields of the API, by name
    """

    name: str
    code: str | None = None
    type: str | None = None
    mobile: bool | None = None
    fleet: str | None = None
    labels: Mapping[str, str] | None = None
    location: list[dict[str, str]] | None = None
    extra: Mapping[str, Any] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def to_wire(self) -> dict[str, Any]:
        """Return the body; what was left out stays out."""
        named = {
            "name": self.name,
            "code": self.code,
            "type": self.type,
            "mobile": self.mobile,
            "fleet": self.fleet,
            "labels": self.labels,
            "location": self.location,
            "extra": self.extra,
        }
        return {key: value for key, value in named.items() if value is not None} | dict(self.more)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentCode(Resource):
    """A fresh enrolment code, shown once, and the address to enrol at."""

    uuid: str | None = None
    code: str
    enrol_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrip(Resource):
    """A text that went to a board and back, and how long it took."""

    board: str
    say: str = ""
    round_trip_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason(Resource):
    """One reason why a board is not online or not converged, and its cure."""

    code: str
    text: str = ""
    cure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation(Resource):
    """Whether a board is online and converged, by the predicates that decide."""

    board: str | None = None
    online: bool = False
    converged: bool = False
    reasons: tuple[Reason, ...] = field(
        default=(), metadata={"read": lambda wire: tuple(Reason.from_wire(each) for each in wire)}
    )


class Boards:
    """The boards of the caller's project; a board is given by name or uuid."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def iterate(self, *, limit: int | None = None, **filters: Json) -> Iterator[Board]:
        """Yield boards with all fields.

        :param filters: ``status``, ``fleet``, ``project`` (administrators), ``near`` as
            ``"latitude,longitude,meters"``, ``sort_key``, …
        """
        items = iter_items(self._transport, f"{PATH}/detail", "boards", query=filters, limit=limit)
        return map(Board.from_wire, items)

    def get(self, board: str) -> Board:
        """Return one board.

        :raises NotFound: there is none of this name or uuid
        """
        return Board.from_wire(self._transport.json(Call(method="GET", path=_path(board))))

    def create(self, board: NewBoard, *, idempotency_key: str | None = None) -> Board:
        """Register a board; the answer alone holds its code.

        :raises Conflict: the name or the code is taken
        """
        call = Call(
            method="POST",
            path=PATH,
            json=board.to_wire(),
            idempotency_key=idempotency_key,
            secret=True,
        )
        return Board.from_wire(self._transport.json(call))

    def update(self, board: str, changes: Mapping[str, Any]) -> Board:
        """Change fields of a board and return it."""
        call = Call(method="PATCH", path=_path(board), json=dict(changes))
        return Board.from_wire(self._transport.json(call))

    def delete(self, board: str) -> None:
        """Delete a board with all that hangs on it."""
        self._transport.send(Call(method="DELETE", path=_path(board)))

    def new_code(
        self, board: str, code: str | None = None, *, idempotency_key: str | None = None
    ) -> EnrolmentCode:
        """Make a new enrolment code, which replaces an unused one.

        :param code: 8 to 36 characters; ``None``: the cloud makes one
        """
        call = Call(
            method="POST",
            path=f"{_path(board)}/enrolment-code",
            json={} if code is None else {"code": code},
            idempotency_key=idempotency_key,
            secret=True,
        )
        return EnrolmentCode.from_wire(self._transport.json(call))

    def act(
        self,
        board: str,
        action: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        wait: bool = True,
        idempotency_key: str | None = None,
    ) -> Answer:
        """Have a board carry out an action.

        :param wait: ``False``: the answer is a request, at once
        :raises BadRequest: ``iot.board.offline``: the board is not connected
        :raises BoardSilent: it did not answer in time
        """
        body: dict[str, Any] = {"action": action, "parameters": dict(parameters or {})}
        if not wait:
            body["wait"] = False
        call = Call(
            method="POST",
            path=f"{_path(board)}/action",
            json=body,
            idempotency_key=idempotency_key,
        )
        return read_answer(self._transport.send(call))

    def ping(self, board: str) -> Answer:
        """Ask a board for its host name and time."""
        return self.act(board, PING)

    def echo(self, board: str, say: str) -> Answer:
        """Have a board say something back."""
        return self.act(board, ECHO, {"say": say})

    def check(self, board: str, say: str = "") -> RoundTrip:
        """Send a text to a board and back on the data road; nothing is recorded.

        :param board: its uuid; by name the answer takes the longer road
        :raises BoardSilent: it did not answer in time
        """
        path = f"/healthcheck/boards/{segment(board, 'board')}"
        call = Call(method="POST", path=path, json={"say": say})
        return RoundTrip.from_wire(self._transport.json(call))

    def explain(self, board: str) -> Explanation:
        """Return why a board is not online or not converged."""
        call = Call(method="GET", path=f"{_path(board)}/explain")
        return Explanation.from_wire(self._transport.json(call))


def _path(board: str) -> str:
    return f"{PATH}/{segment(board, 'board')}"
