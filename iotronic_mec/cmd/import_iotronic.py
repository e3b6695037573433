"""``iotronic-mec db import-iotronic URL``: the records of an IoTronic cloud.

A dry run unless ``--apply`` is given: it does everything and takes it back.
All records come in one transaction; a second import finds what is there and
changes nothing. IoTronic's users and projects are named by uuid; ``--project``
and ``--user-project`` say what they are called here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from iotronic_mec import ids
from iotronic_mec.bundle import check_source
from iotronic_mec.cmd.import_report import (
    IMPORTED,
    NOT_IMPORTED,
    PRESENT,
    REFUSED,
    Report,
)
from iotronic_mec.cmd.import_values import (
    SHORT,
    finds,
    free_name,
    location,
    outcome_of,
    source_of,
)
from iotronic_mec.context import system_context
from iotronic_mec.db.upstream import Upstream, json_object, moment
from iotronic_mec.errors import BadRequest, Error
from iotronic_mec.feature import Parts
from iotronic_mec.features.blob import store as blob_store
from iotronic_mec.features.board import store as board_store
from iotronic_mec.features.board.model import REGISTERED, Board
from iotronic_mec.features.enrolment_code import model as codes
from iotronic_mec.features.enrolment_code import store as code_store
from iotronic_mec.features.fleet import store as fleet_store
from iotronic_mec.features.fleet.model import Fleet
from iotronic_mec.features.injection import store as injection_store
from iotronic_mec.features.injection.model import PENDING, Injection, use_target
from iotronic_mec.features.plugin import store as plugin_store
from iotronic_mec.features.plugin.model import KIND, Plugin
from iotronic_mec.features.project import store as project_store
from iotronic_mec.features.project.model import Project
from iotronic_mec.features.service import store as service_store
from iotronic_mec.features.service.model import PROTOCOLS, Service

if TYPE_CHECKING:
    from sqlalchemy import Connection

LATER: Mapping[str, str] = {
    "exposed_services": "expose the services again: public ports are given out anew",
    "ports_on_boards": "attach the ports again",
    "webservices": "expose the web services again",
    "enabled_webservices": "enable web services on the boards again",
    "requests": "the history stays in IoTronic's database",
    "results": "the history stays in IoTronic's database",
}
"""Tables that are counted and not imported, and what to do instead."""


class _Undone(Exception):
    """Ends the transaction of a dry run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Who is who: IoTronic's uuids to ours."""

    projects: Mapping[str, str] = field(default_factory=dict)
    user_projects: Mapping[str, str] = field(default_factory=dict)
    make_projects: bool = True


class Import:
    """One import.

    :param parts: of a conductor that holds the lock
    :param source: IoTronic's tables
    """

    def __init__(self, parts: Parts, source: Upstream, names: Names, report: Report) -> None:
        self._parts = parts
        self._source = source
        self._names = names
        self._report = report
        self._now = parts.clock.now()
        self._owners: dict[str, set[str]] = {}
        self._plugins: dict[str, tuple[str, int]] = {}

    def run(self) -> None:
        """Import everything, or, in a dry run, find out what would happen."""
        self._store_code()
        try:
            self._parts.database.write(self._all)
        except _Undone:
            return

    def _all(self, connection: Connection) -> None:
        # a change may be called again
        self._report.lines.clear()
        self._owners.clear()
        for table, one in (
            ("fleets", self._fleet),
            ("boards", self._board),
            ("plugins", self._plugin),
            ("injection_plugins", self._injection),
            ("services", self._service),
        ):
            self._each(connection, table, one)
        for table, text in LATER.items():
            for row in self._source.iter_rows(table):
                self._report.add(table, row.get("uuid") or row["id"], NOT_IMPORTED, text)
        self._parts.audit(
            connection,
            system_context(),
            "iotronic.import",
            "cloud",
            "",
            details={"counts": self._report.counts()},
        )
        if self._report.dry_run:
            raise _Undone

    def _each(
        self,
        connection: Connection,
        table: str,
        one: Callable[[Connection, Mapping[str, Any]], tuple[str, str]],
    ) -> None:
        for row in self._source.iter_rows(table):
            savepoint = connection.begin_nested()
            try:
                outcome, text = one(connection, row)
                savepoint.commit()
            except (Error, ValueError, KeyError) as error:
                savepoint.rollback()
                outcome, text = REFUSED, getattr(error, "message", "") or str(error)
            self._report.add(table, row.get("uuid") or row["id"], outcome, text)

    def _store_code(self) -> None:
        """Put the plugins' programs into the storage; unused ones are collected there."""
        for row in self._source.iter_rows("plugins"):
            try:
                source = source_of(str(row.get("code") or "")).encode()
                check_source(source)
            except (Error, ValueError):
                continue  # told when the row is looked at
            if not self._report.dry_run:
                stored = self._parts.storage.put([source], len(source))
                self._plugins[str(row["uuid"])] = (stored.digest, len(source))

    def _project(self, connection: Connection, theirs: Any) -> str:
        """Return our project for one of IoTronic's; make it where that is wanted."""
        if not theirs:
            raise BadRequest("it belongs to no project")
        named = self._names.projects.get(str(theirs))
        found = project_store.find_project(connection, named or str(theirs))
        if found is not None:
            return found.uuid
        if named is not None:
            raise BadRequest(f"--project names {named}, which there is not")
        if not self._names.make_projects:
            return str(theirs)
        uuid = ids.normal_uuid(str(theirs))
        found = project_store.find_project(connection, uuid)
        if found is not None:
            return found.uuid
        made = Project(
            uuid=uuid,
            name=f"imported-{uuid[:SHORT]}",
            description=f"project {theirs} of IoTronic",
            created_at=self._now,
        )
        project_store.insert_project(connection, made)
        self._report.add("projects", theirs, IMPORTED, f"made as {made.name}")
        return uuid

    def _fleet(self, connection: Connection, row: Mapping[str, Any]) -> tuple[str, str]:
        uuid = ids.normal_uuid(row["uuid"])
        if fleet_store.find_place(connection, uuid) is not None:
            return PRESENT, ""
        project = self._project(connection, row["project"])

        def taken(name: str) -> bool:
            return finds(lambda: fleet_store.get_fleet(connection, project, name))

        name, text = free_name(row["name"], uuid, taken)
        made = Fleet(
            uuid=uuid,
            project=project,
            name=name,
            description=str(row.get("description") or ""),
            extra=json_object(row.get("extra")),
            created_at=self._made_at(row),
        )
        fleet_store.insert_fleet(connection, made)
        return outcome_of(text)

    def _board(self, connection: Connection, row: Mapping[str, Any]) -> tuple[str, str]:
        uuid = ids.normal_uuid(row["uuid"])
        self._owners.setdefault(str(row.get("owner")), set())
        if board_store.find_place(connection, uuid) is not None:
            project = board_store.projects_of(connection, [uuid])[uuid]
            self._owners[str(row.get("owner"))].add(project)
            return PRESENT, ""
        project = self._project(connection, row["project"])
        self._owners[str(row.get("owner"))].add(project)
        name, text = free_name(
            row["name"], uuid, lambda name: board_store.name_taken(connection, project, name)
        )
        fleet = row.get("fleet")
        if fleet and fleet_store.find_place(connection, ids.normal_uuid(fleet)) is None:
            fleet, text = None, f"{text}; its fleet {row['fleet']} was not imported".strip("; ")
        made = Board(
            uuid=uuid,
            project=project,
            owner=str(row.get("owner") or ""),
            name=name,
            type=row.get("type"),
            status=REGISTERED,
            fleet=ids.normal_uuid(fleet) if fleet else None,
            mobile=bool(row.get("mobile")),
            extra=json_object(row.get("extra")),
            created_at=self._made_at(row),
        )
        board_store.insert_board(connection, made)
        place, told = self._place(connection, row, made)
        text = "; ".join(each for each in (text, told, place) if each)
        return outcome_of(text)

    def _place(
        self, connection: Connection, row: Mapping[str, Any], made: Board
    ) -> tuple[str, str]:
        """Write a board's newest place and its code; return what went wrong with each."""
        place = told = ""
        locations = [
            each for each in self._source.iter_rows("locations") if each["board_id"] == row["id"]
        ]
        for each in locations[-1:]:
            try:
                board_store.add_location(
                    connection, made.uuid, location(each), self._made_at(each)
                )
            except (ValueError, BadRequest):
                place = "its place is no pair of coordinates"
        code = str(row.get("code") or "")
        try:
            digest = codes.digest(self._parts.secret, codes.check(code))
            if code_store.find(connection, digest) is not None:
                raise codes.CodeExists()
            code_store.put(connection, made.uuid, digest, self._now)
        except Error:
            told = "its code cannot be used here: give it a new enrolment code"
        return place, told

    def _plugin(self, connection: Connection, row: Mapping[str, Any]) -> tuple[str, str]:
        uuid = ids.normal_uuid(row["uuid"])
        if plugin_store.find_plugin(connection, uuid) is not None:
            return PRESENT, ""
        source = source_of(str(row.get("code") or "")).encode()
        check_source(source)
        project = self._project_of_user(connection, str(row.get("owner")))
        name, text = free_name(
            row["name"],
            uuid,
            lambda name: plugin_store.find_named(connection, project, name) is not None,
        )
        digest, size = self._plugins.get(str(row["uuid"]), ("0" * 64, len(source)))
        blob_store.use(connection, project, digest, size, KIND, uuid, now=self._now)
        made = Plugin(
            uuid=uuid,
            project=project,
            owner=str(row.get("owner") or ""),
            name=name,
            public=bool(row.get("public")),
            callable=bool(row.get("callable")),
            parameters=json_object(row.get("parameters")),
            extra=json_object(row.get("extra")),
            digest=digest,
            size=size,
            created_at=self._made_at(row),
        )
        plugin_store.insert_plugin(connection, made)
        return outcome_of(text)

    def _project_of_user(self, connection: Connection, user: str) -> str:
        """Return the project of a plugin, which IoTronic gives to a user only."""
        named = self._names.user_projects.get(user)
        if named is not None:
            return self._project(connection, named)
        known = self._owners.get(user, set())
        if len(known) != 1:
            raise BadRequest(
                f"its owner {user} has boards in {len(known)} projects, so its project is not "
                f"known: say it with --user-project {user}=PROJECT"
            )
        return next(iter(known))

    def _injection(self, connection: Connection, row: Mapping[str, Any]) -> tuple[str, str]:
        board, plugin = ids.normal_uuid(row["board_uuid"]), ids.normal_uuid(row["plugin_uuid"])
        if board_store.find_place(connection, board) is None:
            raise BadRequest(f"its board {board} was not imported")
        found = plugin_store.find_plugin(connection, plugin)
        if found is None:
            raise BadRequest(f"its plugin {plugin} was not imported")
        if injection_store.find_injection(connection, board, plugin) is not None:
            return PRESENT, ""
        wanted = Injection(
            board=board,
            plugin=plugin,
            status=PENDING,
            onboot=bool(row.get("onboot")),
            digest=found.digest,
            size=found.size,
            created_at=self._made_at(row),
        )
        blob_store.use(
            connection,
            found.project,
            found.digest,
            found.size,
            "injection",
            use_target(board, plugin),
            now=self._now,
        )
        injection_store.put(connection, wanted)
        return IMPORTED, ""

    def _service(self, connection: Connection, row: Mapping[str, Any]) -> tuple[str, str]:
        uuid = ids.normal_uuid(row["uuid"])
        if service_store.list_services(connection, [uuid]):
            return PRESENT, ""
        project = self._project(connection, row["project"])
        name, text = free_name(
            row["name"],
            uuid,
            lambda name: service_store.find_named(connection, project, name) is not None,
        )
        port, protocol = int(row["port"]), str(row.get("protocol") or "TCP").upper()
        if not 1 <= port <= 65_535:
            raise BadRequest(f"port: {port} is not within 1 to 65535")
        if protocol not in PROTOCOLS:
            raise BadRequest(f"protocol: {protocol} is none of {', '.join(sorted(PROTOCOLS))}")
        made = Service(
            uuid=uuid,
            project=project,
            name=name,
            port=port,
            protocol=protocol,
            extra=json_object(row.get("extra")),
            created_at=self._made_at(row),
        )
        service_store.insert_service(connection, made)
        return outcome_of(text)

    def _made_at(self, row: Mapping[str, Any]) -> datetime:
        return moment(row.get("created_at"), self._now)
