"""What boards and wamp agents tell the conductor.

Every method here is called by a wamp agent only: the context is the cloud's
own. Which board speaks was established by the router, never by the message.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from iotronic_mec import errors, lease_token
from iotronic_mec.context import Context, system_context
from iotronic_mec.feature import Parts
from iotronic_mec.features.audit.commands import head_to_tell
from iotronic_mec.features.audit_segment.commands import AuditSegmentCommands
from iotronic_mec.features.board import store
from iotronic_mec.features.board.model import OFFLINE, BoardNotFound
from iotronic_mec.features.enrolment_code import store as code_store
from iotronic_mec.features.enrolment_code.model import may_repeat
from iotronic_mec.features.request import store as request_store
from iotronic_mec.features.request.commands import RequestCommands
from iotronic_mec.operation import TERMINAL
from iotronic_mec.rpc.expose import expose
from lightning_agent.protocol import names
from lightning_agent.protocol.messages import (
    Join,
    Joined,
    LeaseAnswer,
    LeaseList,
    OperationList,
    OperationVerdict,
    PluginDesired,
    PluginLease,
    Report,
    Results,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOG = logging.getLogger(__name__)

UNKNOWN_CODES_PER_S = 20
"""Most look-ups of unknown codes answered in a second: 80 random bits need no
more protection, chosen short codes do."""

PRESENCE_BATCH = 500
"""Most changes of presence in one transaction: others wait for the writer, and
a statement takes no more than some ten thousand parameters."""


class CodeUnknown(errors.NotFound):
    """No board has this enrolment code."""

    code = "iot.code.unknown"


class BoardReports:
    """The board feature's methods for wamp agents.

    :param parts: what commands are built from
    :param made: the commands of earlier features
    """

    namespace = "board"

    def __init__(self, parts: Parts, made: Mapping[str, Any]) -> None:
        self._parts = parts
        self._requests: RequestCommands = made["request"]
        self._unknown: tuple[int, int] = (0, 0)
        self._segments: AuditSegmentCommands = made["audit_segment"]

    @expose
    def wamp_agent_up(self, context: Context, *, agent: str, url: str) -> None:
        """Note that a wamp agent has (re)connected and knows what it holds.

        Boards it is said to hold and does not are offline.
        """
        _only_cloud(context)
        LOG.info("wamp agent %s is up; boards join at %s", agent, url)
        # read first: one that comes online while the pages are read is not gone
        with self._parts.database.read() as connection:
            said = store.online_of_agent(connection, agent)
        online = self._online(context, agent)
        gone = [uuid for uuid in said if uuid not in online]
        # the session read: a board that has joined anew since then stays online
        changes = [{"board": uuid, "online": False, "session": said[uuid]} for uuid in gone]
        changes += [
            {"board": uuid, "online": True, "session": session}
            for uuid, session in online.items()
            if said.get(uuid) != str(session)
        ]
        for at in range(0, len(changes), PRESENCE_BATCH):
            piece = changes[at : at + PRESENCE_BATCH]
            self.presence(context, agent=agent, changes=piece)

    @expose
    def directory(self, context: Context, *, after: str = "", limit: int = 2000) -> dict[str, Any]:
        """Return a page of the enrolled boards: uuid, key, project, name."""
        _only_cloud(context)
        with self._parts.database.read() as connection:
            boards = store.directory(connection, after, limit)
        return {"boards": boards, "next": boards[-1]["uuid"] if len(boards) == limit else None}

    @expose
    def find_code(self, context: Context, *, digest: str) -> dict[str, Any]:
        """Return the enrolment code with this keyed hash.

        :raises CodeUnknown: there is none
        :raises errors.Busy: too many unknown codes are being tried
        """
        _only_cloud(context)
        with self._parts.database.read() as connection:
            code = code_store.find(connection, digest)
        if code is None:
            self._count_unknown()
            raise CodeUnknown()
        now = self._parts.clock.now()
        return {
            "row": code.row,
            "board": code.board,
            "used": code.used,
            "public_key": code.public_key,
            "repeatable": code.public_key is not None and may_repeat(code, code.public_key, now),
        }

    @expose
    def enrolled(
        self,
        context: Context,
        *,
        row: int,
        public_key: str,
        agent_version: str = "",
        hostname: str = "",
        peer: str = "",
    ) -> dict[str, Any]:
        """Accept a board's key for its one-time code.

        :raises errors.CodeUnknownOrUsed: the code is unknown or used
        """
        _only_cloud(context)
        now = self._parts.clock.now()

        def change(connection: Connection) -> dict[str, Any]:
            uuid = code_store.use(connection, row, public_key, now)
            board = store.get_board(connection, "", uuid, every=True)
            first = board.public_key != public_key
            values: dict[str, Any] = {"public_key": public_key, "updated_at": now}
            if first:
                values |= {"status": OFFLINE, "session": None, "status_at": now}
            store.update_board(connection, uuid, values)
            details = {"agent_version": agent_version, "hostname": hostname[:64], "peer": peer}
            self._parts.audit(connection, context, "board.enrol", "board", uuid, details=details)
            found = {"board": uuid, "name": board.name, "project": board.project}
            self._parts.emit(
                connection, board.project, "board.enrolled", uuid, {**found, "key": public_key}
            )
            return {**found, "lease_key": lease_token.public_key(self._parts.secret)}

        return self._parts.database.write(change)

    @expose
    def presence(self, context: Context, *, agent: str, changes: list[dict[str, Any]]) -> None:
        """Note which boards came and went, in the order it happened."""
        _only_cloud(context)
        now = self._parts.clock.now()

        def change(connection: Connection) -> None:
            projects = store.projects_of(connection, [entry["board"] for entry in changes])
            for entry in changes:
                uuid, online = entry["board"], bool(entry["online"])
                moved = store.set_presence(
                    connection,
                    uuid,
                    online=online,
                    agent=agent,
                    session=entry.get("session"),
                    now=now,
                )
                if moved:
                    topic = "board.online" if online else "board.offline"
                    self._parts.emit(connection, projects[uuid], topic, uuid, {})

        self._parts.database.write(change)

    @expose
    def joined(
        self, context: Context, *, board: str, session: int, join: dict[str, Any]
    ) -> dict[str, Any]:
        """Note what a board says of itself; answer what is desired there.

        :raises BoardNotFound: it was deleted meanwhile
        """
        _only_cloud(context)
        message = Join.from_wire(join)
        now = self._parts.clock.now()

        def change(connection: Connection) -> Joined:
            known = store.get_board(connection, "", board, every=True)
            store.update_board(
                connection,
                board,
                {
                    "lr_version": message.agent_version[:20],
                    "level": message.level[:20],
                    "connectivity": message.connectivity,
                    "capabilities": message.capabilities,
                    "updated_at": now,
                },
            )
            desired = [
                PluginDesired.from_wire(wire)
                for hook in self._parts.on_join
                for wire in hook(self._parts, connection, board, message)
            ]
            boards = store.count_enrolled(connection)
            return Joined(
                board=board,
                name=known.name,
                retry_window_s=max(1.0, boards / self._parts.settings.retry_boards_per_s),
                heartbeat_s=self._parts.settings.heartbeat_s,
                plugins=desired,
                audit_head=head_to_tell(connection),
                lease_key=lease_token.public_key(self._parts.secret),
            )

        LOG.info("board %s joined with session %s", board, session)
        self._segments.hear(context, board, message.audit_head)
        return self._parts.database.write(change).to_wire()

    @expose
    def leases(self, context: Context, *, board: str, leases: dict[str, Any]) -> dict[str, Any]:
        """Renew leases of a board; what is not in the answer it must end now."""
        _only_cloud(context)
        asked = LeaseList.from_wire(leases).leased
        with self._parts.database.read() as connection:
            found = [
                PluginLease(plugin=plugin, lease=lease)
                for hook in self._parts.on_renew
                for plugin, lease in hook(self._parts, connection, board, asked).items()
            ]
            head = head_to_tell(connection)
        return LeaseAnswer(leases=found, audit_head=head).to_wire()

    @expose
    def report(self, context: Context, *, board: str, report: dict[str, Any]) -> None:
        """Note what changed on a board."""
        _only_cloud(context)
        message = Report.from_wire(report)

        def change(connection: Connection) -> None:
            values: dict[str, Any] = {}
            if message.capabilities is not None:
                values["capabilities"] = message.capabilities
            if message.level is not None:
                values["level"] = message.level[:20]
            store.update_board(connection, board, values)
            for hook in self._parts.on_report:
                hook(self._parts, connection, board, message)

        self._parts.database.write(change)

    @expose
    def operations(
        self, context: Context, *, board: str, operations: dict[str, Any]
    ) -> dict[str, Any]:
        """Say which of a board's operations are recorded as ended."""
        _only_cloud(context)
        asked = OperationList.from_wire(operations).operations
        with self._parts.database.read() as connection:
            states = request_store.known_states(connection, asked)
        known = [uuid for uuid in asked if states.get(uuid) in TERMINAL]
        wanted = [uuid for uuid in asked if states.get(uuid) not in TERMINAL]
        return OperationVerdict(known=known, wanted=wanted).to_wire()

    @expose
    def results(self, context: Context, *, board: str, results: dict[str, Any]) -> dict[str, Any]:
        """Record how operations ended that nobody recorded; answer which.

        Those left out are more than is taken of one board; it tells them again.
        """
        _only_cloud(context)
        records = Results.from_wire(results).records
        with self._parts.database.read() as connection:
            owner = store.find_target(connection, "", board, every=True).project
        known = []
        for record in records:
            # an order of another project cannot have reached this board
            foreign = record.call.project != owner
            if foreign or self._requests.record_reported(
                context, board, record.call, record.answer
            ):
                known.append(record.call.operation)
        return OperationVerdict(known=known, wanted=[]).to_wire()

    @expose
    def refusals(self, context: Context, *, entries: list[dict[str, Any]]) -> None:
        """Put refused logins and calls into the audit, counted by reason."""
        _only_cloud(context)

        def change(connection: Connection) -> None:
            for entry in entries:
                authid = str(entry.get("authid", ""))
                known = names.UUID.fullmatch(authid) is not None
                self._parts.audit(
                    connection,
                    context,
                    "wamp.refused",
                    "board" if known else "authid",
                    authid[:64],
                    outcome="refused",
                    reason=str(entry.get("reason", ""))[:64],
                    details={
                        "count": int(entry.get("count", 1)),
                        "peer": str(entry.get("peer", ""))[:64],
                    },
                )

        self._parts.database.write(change)

    def check_agents(self) -> int:
        """Show the boards of wamp agents that are gone as offline; return how many.

        One that is there tells itself who comes and goes; one that was killed and
        does not come back cannot. A board that has joined another agent since has
        another session there and stays online.
        """
        context, gone = system_context(), 0
        with self._parts.database.read() as connection:
            agents = store.agents_online(connection)
        for agent in agents:
            try:
                self._parts.boards.directory(context, agent, "online", after="", limit=1)
            except errors.RouterUnavailable:
                with self._parts.database.read() as connection:
                    said = store.online_of_agent(connection, agent)
            except errors.Error as error:
                LOG.info("wamp agent %s gives no answer: %s", agent, error.message)
                continue
            else:
                continue
            LOG.warning("wamp agent %s is gone; %d boards were its", agent, len(said))
            lost = [{"board": at, "online": False, "session": said[at]} for at in said]
            for at in range(0, len(lost), PRESENCE_BATCH):
                piece = lost[at : at + PRESENCE_BATCH]
                self.presence(context, agent=agent, changes=piece)
            gone += len(lost)
        return gone

    def _online(self, context: Context, agent: str) -> dict[str, int]:
        """Ask a wamp agent page by page which boards it holds, with their sessions."""
        boards: dict[str, int] = {}
        after: str | None = ""
        while after is not None:
            page = self._parts.boards.directory(context, agent, "online", after=after)
            boards |= page["boards"]
            after = page.get("next")
        return boards

    def _count_unknown(self) -> None:
        second = int(self._parts.clock.monotonic())
        at, count = self._unknown
        self._unknown = (second, count + 1 if at == second else 1)
        if self._unknown[1] > UNKNOWN_CODES_PER_S:
            raise errors.Busy("too many unknown enrolment codes; try again later")


def _only_cloud(context: Context) -> None:
    if not context.system:
        raise errors.Forbidden("only the cloud's own processes may report")


def fleet_deleted(parts: Parts, connection: Connection, fleet: str) -> None:
    """Take the boards out of a fleet that is being deleted."""
    store.release_fleet(connection, fleet, parts.clock.now())


def spread(parts: Parts, event: Mapping[str, Any]) -> None:
    """Tell the wamp agents which boards they may let in; consumer of events."""
    context = system_context()
    uuid = str(event["subject"])
    if event["topic"] == "board.deleted":
        parts.boards.tell_all(context, "remove", board=uuid, reason="deleted")
        return
    with parts.database.read() as connection:
        try:
            board = store.get_board(connection, "", uuid, every=True)
        except BoardNotFound:
            return
    parts.boards.tell_all(
        context,
        "put",
        board=uuid,
        public_key=board.public_key,
        project=board.project,
        name=board.name,
    )
