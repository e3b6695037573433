"""Rules on boards: create, change, delete, give orders, new codes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from iotronic_mec import errors, ids
from iotronic_mec.context import Context
from iotronic_mec.feature import Parts
from iotronic_mec.features.board import store
from iotronic_mec.features.board.model import (
    ONLINE,
    REGISTERED,
    Board,
    BoardExists,
    BoardNotFound,
    Location,
    Target,
)
from iotronic_mec.features.board.reports import BoardReports
from iotronic_mec.features.enrolment_code import model as codes
from iotronic_mec.features.enrolment_code import store as code_store
from iotronic_mec.features.fleet import store as fleet_store
from iotronic_mec.features.project import store as project_store
from iotronic_mec.features.request import store as request_store
from iotronic_mec.features.request.model import Operation
from iotronic_mec.operation import LOST, cause
from iotronic_mec.page import Page
from iotronic_mec.rpc.expose import expose
from lightning_agent.protocol.names import AGENT_PING

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOG = logging.getLogger(__name__)

CHANGEABLE = frozenset({"name", "type", "mobile", "fleet", "extra", "labels", "location"})
"""What an update may change; the rest follows from what the board does."""


class BoardCommands(BoardReports):
    """Boards and orders to them.

    :param parts: what commands are built from
    :param made: the commands of earlier features
    """

    namespace = "board"

    def __init__(self, parts: Parts, made: Mapping[str, Any]) -> None:
        super().__init__(parts, made)

    @expose
    def create(
        self,
        context: Context,
        *,
        name: str,
        code: str | None = None,
        uuid: str | None = None,
        type: str | None = None,
        mobile: bool = False,
        fleet: str | None = None,
        extra: dict[str, Any] | None = None,
        labels: dict[str, str] | None = None,
        location: list[dict[str, str]] | None = None,
    ) -> dict[str, Any]:
        """Register a board and give it a one-time enrolment code.

        :returns: ``{"uuid", "code"}``; the code is shown only here
        :param fleet: a fleet of the project, by uuid or name
        :raises BoardExists: the name is taken in the project, or the uuid
        :raises FleetNotFound: the project has no such fleet
        :raises codes.CodeExists: the code is in use
        """
        now = self._parts.clock.now()
        clear = codes.check(code) if code else codes.generate()
        board = Board(
            uuid=ids.normal_uuid(uuid) if uuid else context.new_uuid("board"),
            project=context.project,
            owner=context.user,
            name=ids.check_name(name),
            type=type,
            status=REGISTERED,
            mobile=mobile,
            extra=extra or {},
            labels=labels or {},
            location=tuple(_location(place) for place in (location or [])[:1]),
            created_at=now,
        )

        def change(connection: Connection) -> None:
            if self._repeats(connection, context, board):
                code_store.put(connection, board.uuid, self._digest(clear), now)
                return
            if store.name_taken(connection, board.project, board.name):
                raise BoardExists(f"name: a board named {board.name} exists in this project")
            if exists(connection, board.uuid):
                raise BoardExists(f"uuid: a board {board.uuid} exists already")
            self._parts.quota.check(connection, board.project, "boards")
            placed = replace(board, fleet=_fleet(connection, board.project, fleet))
            store.insert_board(connection, placed)
            code_store.put(connection, board.uuid, self._digest(clear), now)
            self._note(connection, context, "board.create", board.project, board.uuid)

        self._parts.database.write(change)
        return {"uuid": board.uuid, "code": clear}

    @expose
    def update(self, context: Context, *, board: str, values: dict[str, Any]) -> None:
        """Change some fields of a board.

        :raises BoardNotFound: no such board in the project
        :raises BoardExists: the new name is taken
        :raises FleetNotFound: the project has no such fleet
        """
        unknown = set(values) - CHANGEABLE
        if unknown:
            field = sorted(unknown)[0]
            raise errors.BadRequest(f"{field}: cannot be changed", details={"field": field})
        now = self._parts.clock.now()

        def change(connection: Connection) -> None:
            target = self._target(connection, context, board)
            columns = {key: values[key] for key in values if key not in ("labels", "location")}
            name = columns.get("name", target.name)
            if name != target.name:
                ids.check_name(name)
                if store.name_taken(connection, target.project, name):
                    raise BoardExists(f"name: a board named {name} exists in this project")
            if "fleet" in columns:
                columns["fleet"] = _fleet(connection, target.project, columns["fleet"])
            store.update_board(connection, target.uuid, {**columns, "updated_at": now})
            if "labels" in values:
                store.set_labels(connection, target.uuid, values["labels"])
            if values.get("location"):
                place = _location(values["location"][0])
                store.add_location(connection, target.uuid, place, now)
            self._note(
                connection, context, "board.update", target.project, target.uuid, sorted(values)
            )

        self._parts.database.write(change)

    @expose
    def delete(self, context: Context, *, board: str) -> None:
        """Delete a board: its key and codes are worth nothing at once.

        Open operations of it end as lost, with audit, event and hook like any
        other end; then other features free what they hold for it. Its sessions
        are closed.
        """
        now = self._parts.clock.now()

        def change(connection: Connection) -> Target:
            target = self._target(connection, context, board)
            for veto in self._parts.may_delete.get("board", ()):
                veto(connection, target.uuid)
            told = cause("board_deleted", "the board was deleted")
            for part in request_store.list_open(connection, target.uuid):
                ended = replace(part, state=LOST, cause=told, finished_at=now)
                self._requests.end_in(connection, context, ended)
            for hook in self._parts.on_delete.get("board", ()):
                hook(self._parts, connection, target.uuid)
            code_store.forget(connection, target.uuid)
            store.delete_board(connection, target.uuid)
            self._note(connection, context, "board.delete", target.project, target.uuid)
            return target

        target = self._parts.database.write(change)
        self._forget_session(context, target)

    @expose
    def new_code(self, context: Context, *, board: str, code: str | None = None) -> dict[str, Any]:
        """Give a board a new enrolment code; the old one is worth nothing.

        The key enrolled before stays valid until the new code is used.

        :returns: ``{"uuid", "code"}``; the code is shown only here
        """
        clear = codes.check(code) if code else codes.generate()
        now = self._parts.clock.now()

        def change(connection: Connection) -> str:
            target = self._target(connection, context, board)
            code_store.put(connection, target.uuid, self._digest(clear), now)
            self._note(connection, context, "board.new_code", target.project, target.uuid)
            return target.uuid

        return {"uuid": self._parts.database.write(change), "code": clear}

    @expose
    def create_local(self, context: Context, *, name: str) -> dict[str, Any]:
        """Make the board of ``standalone --with-agent``, or give it a new code.

        It belongs to the oldest project. For the cloud's own processes only.
        """
        if not context.system:
            raise errors.Forbidden("only the cloud itself may do this")
        with self._parts.database.read() as connection:
            first = project_store.list_projects(connection, Page(limit=1))
            if not first:
                raise errors.Conflict("there is no project the board could belong to")
            context = replace(context, project=first[0].uuid)
            taken = store.name_taken(connection, context.project, name)
        made = self.new_code(context, board=name) if taken else self.create(context, name=name)
        return {**made, "url": self._parts.settings.wamp_url}

    @expose
    def ping(self, context: Context, *, board: str, say: str = "") -> dict[str, Any]:
        """Have a board send a text back, and record nothing; blocks up to the call's limit.

        :raises errors.BoardOffline: the board has no session
        """
        parts = self._parts
        with parts.database.read() as connection:
            target = self._target(connection, context, board)
        check_online(target)
        began_s = parts.clock.monotonic()
        limit_s = min(parts.settings.board_call_timeout_s, context.remaining_s())
        answer = parts.boards.call(
            context, target.agent, target.uuid, AGENT_PING, {"say": say}, limit_s
        )
        took_ms = round((parts.clock.monotonic() - began_s) * 1000, 3)
        return {"board": target.uuid, "say": answer.get("say"), "round_trip_ms": took_ms}

    def resume(self) -> int:
        """Send again what a restart left queued; return how many."""
        queued = self._requests.list_queued()
        with self._parts.database.read() as connection:
            for part in queued:
                try:
                    target = store.find_target(connection, part.project, part.board, every=True)
                except BoardNotFound:
                    continue  # deleted since; the operation ends by its deadline
                self._requests.send_queued(part, target.agent)
        return len(queued)

    def _target(self, connection: Connection, context: Context, board: str) -> Target:
        return store.find_target(connection, context.project, board, every=context.is_admin)

    def _repeats(self, connection: Connection, context: Context, board: Board) -> bool:
        """Whether a crashed first try with this Idempotency-Key made the board.

        The uuid may be the client's choice: another project's board, or one of
        another name, was not made by that try and must not get a new code.
        """
        if context.idempotency is None:
            return False
        try:
            found = store.find_target(connection, board.project, board.uuid, every=False)
        except BoardNotFound:
            return False
        return found.name == board.name

    def _digest(self, code: str) -> str:
        return codes.digest(self._parts.secret, code)

    def _note(
        self,
        connection: Connection,
        context: Context,
        action: str,
        project: str,
        uuid: str,
        fields: list[str] | None = None,
    ) -> None:
        context, details = context.acting_in(project), {"fields": fields} if fields else {}
        self._parts.audit(connection, context, action, "board", uuid, details=details)
        topic = {"board.create": "board.created", "board.delete": "board.deleted"}
        self._parts.emit(connection, project, topic.get(action, "board.updated"), uuid, details)

    def _forget_session(self, context: Context, target: Target) -> None:
        """Close the deleted board's session now; the event does it otherwise."""
        if target.agent is None:
            return
        try:
            self._parts.boards.directory(
                context, target.agent, "remove", board=target.uuid, reason="deleted"
            )
        except errors.Error as error:
            LOG.warning("board %s: its session will be closed later: %s", target.uuid, error)


def outcome(part: Operation) -> dict[str, Any]:
    """Return what the API is told of an operation."""
    return {
        "request": part.request,
        "operation": part.uuid,
        "state": part.state,
        "message": part.message,
    }


def check_online(target: Target) -> None:
    """Let a board that has a session pass.

    :raises errors.BoardOffline: says what it is instead
    """
    if target.status != ONLINE:
        raise errors.BoardOffline(
            f"board {target.uuid} is {target.status}; 'iot board explain {target.name}' says why",
            details={"status": target.status},
        )


def exists(connection: Connection, uuid: str) -> bool:
    """Say whether a board of this uuid exists in any project."""
    try:
        store.find_target(connection, "", uuid, every=True)
    except BoardNotFound:
        return False
    return True


def _fleet(connection: Connection, project: str, fleet: str | None) -> str | None:
    """Return the uuid of the fleet a board is to be in; nobody deletes it meanwhile."""
    if fleet is None:
        return None
    return fleet_store.get_fleet(connection, project, fleet, held=True).uuid


def _location(place: Mapping[str, str], now: datetime | None = None) -> Location:
    return Location(
        longitude=str(place["longitude"]),
        latitude=str(place["latitude"]),
        altitude=str(place["altitude"]),
        updated_at=now,
    )
