"""Requests and results: what was ordered, and how it ended.

All of it has ended here. What IoTronic still waited for is *lost*, since nobody
will ever report it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from iotronic_mec.cmd.importing.ground import Ground, One
from iotronic_mec.cmd.importing.report import NOT_IMPORTED, PRESENT
from iotronic_mec.cmd.importing.values import outcome_of, uuid_of
from iotronic_mec.db.upstream import moment
from iotronic_mec.errors import BadRequest
from iotronic_mec.features.board import store as board_store
from iotronic_mec.features.fleet import store as fleet_store
from iotronic_mec.features.request import store
from iotronic_mec.features.request.model import FLEET, ONE_BOARD, Operation, Request
from iotronic_mec.ids import is_uuid, new_uuid, normal_uuid
from iotronic_mec.operation import FAILED, LOST, SUCCEEDED, cause

if TYPE_CHECKING:
    from sqlalchemy import Connection

CODE = "imported"
"""Code of the causes of all that comes without success."""

STATES: Mapping[str, str] = {
    "SUCCESS": SUCCEEDED,
    "WARNING": SUCCEEDED,
    "ERROR": FAILED,
    "RUNNING": LOST,
}
"""IoTronic's words for a result, and our states."""

WAITING, DONE = "PENDING", "COMPLETED"
"""IoTronic's words for a request. Source: spec/iotronic-api.md section 2.9."""

MAX_MESSAGE = 1_048_576
"""Longest message of a result, characters."""

_CAUSES = {
    SUCCEEDED: None,
    FAILED: cause(CODE, "it failed in IoTronic; the message of the result says how"),
    LOST: cause(CODE, "it had no end in IoTronic's database, and nobody will report one"),
}


class History:
    """What was ordered."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        keep_s = ground.parts.settings.request_retention_s
        self._before = ground.now - timedelta(seconds=keep_s) if keep_s > 0 else None
        self._old: set[str] = set()
        self._ends: dict[str, Counter[str]] = defaultdict(Counter)
        for row in ground.source.iter_rows("results"):
            self._ends[str(row.get("request_uuid"))][STATES.get(str(row.get("result")), LOST)] += 1
        self._parts: dict[str, list[str]] = defaultdict(list)
        for row in ground.source.iter_rows("requests"):
            if row.get("main_request_uuid"):
                self._parts[str(row["main_request_uuid"])].append(str(row.get("uuid")))

    def tables(self) -> dict[str, One]:
        """Return what imports a row of each table, in their order."""
        return {"requests": self._request, "results": self._result}

    def _request(self, connection: Connection, row: Mapping[str, Any]) -> tuple[str, str]:
        uuid = uuid_of(row.get("uuid"), "uuid")
        if store.find_request(connection, uuid) is not None:
            return PRESENT, ""
        made_at = self._ground.made_at(row)
        if self._before is not None and made_at < self._before:
            self._old.add(uuid)
            return NOT_IMPORTED, "older than [retention] request_s"
        kind = row.get("type") or ONE_BOARD
        if kind not in (ONE_BOARD, FLEET):
            raise BadRequest(f"type: {kind} is neither {ONE_BOARD} nor {FLEET}")
        target = uuid_of(row.get("destination_uuid"), "destination_uuid")
        project = self._project(connection, row, kind, target)
        main, text = self._main(connection, row, project)
        state, told = self._end(row)
        made = Request(
            uuid=uuid,
            project=project,
            user="",
            board=target,
            action=str(row.get("action") or "")[:40],
            state=state,
            kind=kind,
            main_request=main,
            pending=0,
            total=max(1, self._ends[str(row["uuid"])].total()),
            cause=told,
            created_at=made_at,
            updated_at=moment(row.get("updated_at"), made_at),
            deadline_at=made_at,
        )
        store.insert_request(connection, made)
        return outcome_of(text)

    def _result(self, connection: Connection, row: Mapping[str, Any]) -> tuple[str, str]:
        uuid = uuid_of(row.get("request_uuid"), "request_uuid")
        if uuid in self._old:
            return NOT_IMPORTED, "its request is older than [retention] request_s"
        board = uuid_of(row.get("board_uuid"), "board_uuid")
        word = str(row.get("result"))
        if word not in STATES:
            raise BadRequest(f"result: {word[:40]} is none of {', '.join(STATES)}")
        order = store.find_request(connection, uuid)
        if order is None:
            raise BadRequest(f"its request {uuid} was not imported")
        known = store.list_results(connection, uuid)
        if any(each.request == uuid and each.board == board for each in known):
            return PRESENT, ""
        place = board_store.find_place(connection, board)
        if place is not None and place.project != order.project:
            raise BadRequest(f"its board {board} is another project's than its request")
        message = row.get("message")
        if message is not None and len(message) > MAX_MESSAGE:
            raise BadRequest(f"message: more than {MAX_MESSAGE} characters")
        made_at = self._ground.made_at(row)
        told = _CAUSES[STATES[word]]
        if word == "WARNING":
            told = cause(CODE, "IoTronic had it as WARNING")
        made = Operation(
            uuid=new_uuid(),
            request=uuid,
            project=order.project,
            user="",
            board=board,
            action=order.action,
            procedure="",
            state=STATES[word],
            message=message,
            cause=told,
            created_at=made_at,
            finished_at=moment(row.get("updated_at"), made_at),
            deadline_at=made_at,
        )
        store.insert_operation(connection, made)
        return outcome_of("")

    def _project(
        self, connection: Connection, row: Mapping[str, Any], kind: int, target: str
    ) -> str:
        """Return whose a request is: its board's or fleet's project, else what it says."""
        of = fleet_store.find_place if kind == FLEET else board_store.find_place
        place = of(connection, target)
        return place.project if place else self._ground.project(connection, row.get("project"))

    def _main(
        self, connection: Connection, row: Mapping[str, Any], project: str
    ) -> tuple[str | None, str]:
        """Return the request a request is a part of, and what to tell.

        One of another project is left out: whoever reads a request reads its parts.
        """
        theirs = row.get("main_request_uuid")
        if not theirs:
            return None, ""
        known = None
        if is_uuid(str(theirs)):
            known = store.find_request(connection, normal_uuid(str(theirs)))
        if known is None or known.project != project:
            return None, f"it stands alone: its main request {str(theirs)[:40]} was not imported"
        return known.uuid, ""

    def _end(self, row: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None]:
        """Say how a request ended, by its results and those of its parts.

        :raises BadRequest: IoTronic knows no such status
        """
        status = row.get("status")
        if status not in (WAITING, DONE):
            raise BadRequest(f"status: {str(status)[:40]} is neither {WAITING} nor {DONE}")
        if status == WAITING:
            return LOST, _CAUSES[LOST]
        uuid = str(row["uuid"])
        ends: Counter[str] = Counter()
        for each in (uuid, *self._parts[uuid]):
            ends += self._ends[each]
        if ends[FAILED]:
            return FAILED, _CAUSES[FAILED]
        if ends[LOST]:
            return LOST, _CAUSES[LOST]
        if not ends:
            return LOST, cause(CODE, "IoTronic has no result of it")
        return SUCCEEDED, None
