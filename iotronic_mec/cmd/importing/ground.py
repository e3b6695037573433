"""What the importers of all tables share: both databases, who is who, the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from iotronic_mec import ids
from iotronic_mec.cmd.importing.report import IMPORTED, Report
from iotronic_mec.cmd.importing.values import SHORT
from iotronic_mec.db.upstream import Upstream, moment
from iotronic_mec.errors import BadRequest
from iotronic_mec.feature import Parts
from iotronic_mec.features.project import store as project_store
from iotronic_mec.features.project.model import Project

if TYPE_CHECKING:
    from sqlalchemy import Connection

One = Callable[["Connection", Mapping[str, Any]], tuple[str, str]]
"""Imports one row; returns what became of it and what to tell of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Who is who: IoTronic's uuids to ours."""

    projects: Mapping[str, str] = field(default_factory=dict)
    user_projects: Mapping[str, str] = field(default_factory=dict)
    make_projects: bool = True


class Ground:
    """What every importer works on.

    :param parts: of a conductor that holds the lock
    :param source: IoTronic's tables
    """

    def __init__(self, parts: Parts, source: Upstream, names: Names, report: Report) -> None:
        self.parts = parts
        self.source = source
        self.names = names
        self.report = report
        self.now = parts.clock.now()

    def project(self, connection: Connection, theirs: Any) -> str:
        """Return our project for one of IoTronic's; make it where that is wanted.

        :raises BadRequest: there is none, and none can be made
        """
        if not theirs:
            raise BadRequest("it belongs to no project")
        named = self.names.projects.get(str(theirs))
        found = project_store.find_project(connection, named or str(theirs))
        if found is not None:
            return found.uuid
        if named is not None:
            raise BadRequest(f"--project names {named}, which there is not")
        if not self.names.make_projects:
            return str(theirs)
        if not ids.is_uuid(str(theirs)):
            raise BadRequest(f"project: {str(theirs)[:80]!r} is no uuid: name it with --project")
        uuid = ids.normal_uuid(str(theirs))
        found = project_store.find_project(connection, uuid)
        if found is not None:
            return found.uuid
        made = Project(
            uuid=uuid,
            name=f"imported-{uuid[:SHORT]}",
            description=f"project {theirs} of IoTronic",
            created_at=self.now,
        )
        project_store.insert_project(connection, made)
        self.report.add("projects", theirs, IMPORTED, f"made as {made.name}")
        return uuid

    def made_at(self, row: Mapping[str, Any]) -> datetime:
        """Return when a row was made; now where IoTronic does not know."""
        return moment(row.get("created_at"), self.now)
