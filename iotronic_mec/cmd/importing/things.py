"""Fleets, boards, plugins, injections and services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from iotronic_mec.bundle import check_source
from iotronic_mec.cmd.importing.ground import Ground, One
from iotronic_mec.cmd.importing.report import IMPORTED, PRESENT
from iotronic_mec.cmd.importing.values import (
    finds,
    free_name,
    location,
    outcome_of,
    port_of,
    source_of,
    uuid_of,
)
from iotronic_mec.db.upstream import json_object
from iotronic_mec.errors import BadRequest, Error
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
from iotronic_mec.features.service import store as service_store
from iotronic_mec.features.service.model import PROTOCOLS, Service

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Things:
    """What projects make."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._parts = ground.parts
        self._source = ground.source
        self._now = ground.now
        self._owners: dict[str, set[str]] = {}
        self._plugins: dict[str, tuple[str, int]] = {}

    def tables(self) -> dict[str, One]:
        """Return what imports a row of each table, in their order."""
        return {
            "fleets": self._fleet,
            "boards": self._board,
            "plugins": self._plugin,
            "injection_plugins": self._injection,
            "services": self._service,
        }

    def clear(self) -> None:
        """Forget what a run before has found out."""
        self._owners.clear()

    def store_code(self) -> None:
        """Put the plugins' programs into the storage; unused ones are collected there."""
        for row in self._source.iter_rows("plugins"):
            try:
                source = source_of(str(row.get("code") or "")).encode()
                check_source(source)
            except (Error, ValueError):
                continue  # told when the row is looked at
            if not self._ground.report.dry_run:
                stored = self._parts.storage.put([source], len(source))
                self._plugins[str(row["uuid"])] = (stored.digest, len(source))

    def _fleet(self, connection: Connection, row: Mapping[str, Any]) -> tuple[str, str]:
        uuid = uuid_of(row.get("uuid"), "uuid")
        if fleet_store.find_place(connection, uuid) is not None:
            return PRESENT, ""
        project = self._ground.project(connection, row["project"])

        def taken(name: str) -> bool:
            return finds(lambda: fleet_store.get_fleet(connection, project, name))

        name, text = free_name(row["name"], uuid, taken)
        made = Fleet(
            uuid=uuid,
            project=project,
            name=name,
            description=str(row.get("description") or ""),
            extra=json_object(row.get("extra")),
            created_at=self._ground.made_at(row),
        )
        fleet_store.insert_fleet(connection, made)
        return outcome_of(text)

    def _board(self, connection: Connection, row: Mapping[str, Any]) -> tuple[str, str]:
        uuid = uuid_of(row.get("uuid"), "uuid")
        self._owners.setdefault(str(row.get("owner")), set())
        if board_store.find_place(connection, uuid) is not None:
            project = board_store.projects_of(connection, [uuid])[uuid]
            self._owners[str(row.get("owner"))].add(project)
            return PRESENT, ""
        project = self._ground.project(connection, row["project"])
        self._owners[str(row.get("owner"))].add(project)
        name, text = free_name(
            row["name"], uuid, lambda name: board_store.name_taken(connection, project, name)
        )
        fleet = uuid_of(row["fleet"], "fleet") if row.get("fleet") else None
        if fleet and fleet_store.find_place(connection, fleet) is None:
            fleet, text = None, f"{text}; its fleet {fleet} was not imported".strip("; ")
        made = Board(
            uuid=uuid,
            project=project,
            owner=str(row.get("owner") or ""),
            name=name,
            type=row.get("type"),
            status=REGISTERED,
            fleet=fleet,
            mobile=bool(row.get("mobile")),
            extra=json_object(row.get("extra")),
            created_at=self._ground.made_at(row),
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
        for each in list(self._source.iter_rows("locations", board_id=row["id"]))[-1:]:
            try:
                board_store.add_location(
                    connection, made.uuid, location(each), self._ground.made_at(each)
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
        uuid = uuid_of(row.get("uuid"), "uuid")
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
            created_at=self._ground.made_at(row),
        )
        plugin_store.insert_plugin(connection, made)
        return outcome_of(text)

    def _project_of_user(self, connection: Connection, user: str) -> str:
        """Return the project of a plugin, which IoTronic gives to a user only."""
        named = self._ground.names.user_projects.get(user)
        if named is not None:
            return self._ground.project(connection, named)
        known = self._owners.get(user, set())
        if len(known) != 1:
            raise BadRequest(
                f"its owner {user} has boards in {len(known)} projects, so its project is not "
                f"known: say it with --user-project {user}=PROJECT"
            )
        return next(iter(known))

    def _injection(self, connection: Connection, row: Mapping[str, Any]) -> tuple[str, str]:
        board, plugin = (uuid_of(row.get(key), key) for key in ("board_uuid", "plugin_uuid"))
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
            created_at=self._ground.made_at(row),
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
        uuid = uuid_of(row.get("uuid"), "uuid")
        if service_store.list_services(connection, [uuid]):
            return PRESENT, ""
        project = self._ground.project(connection, row["project"])
        name, text = free_name(
            row["name"],
            uuid,
            lambda name: service_store.find_named(connection, project, name) is not None,
        )
        port, protocol = port_of(row.get("port")), str(row.get("protocol") or "TCP").upper()
        if protocol not in PROTOCOLS:
            raise BadRequest(f"protocol: {protocol} is none of {', '.join(sorted(PROTOCOLS))}")
        made = Service(
            uuid=uuid,
            project=project,
            name=name,
            port=port,
            protocol=protocol,
            extra=json_object(row.get("extra")),
            created_at=self._ground.made_at(row),
        )
        service_store.insert_service(connection, made)
        return outcome_of(text)
