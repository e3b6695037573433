"""What a project is, and its errors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from iotronic_mec.errors import Conflict, NotFound


class ProjectNotFound(NotFound):
    """There is no such project."""

    code = "iot.project.not_found"


class ProjectNameTaken(Conflict):
    """There is a project of this name."""

    code = "iot.project.name_taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What owns boards and plugins."""

    uuid: str
    name: str
    description: str
    created_at: datetime
    updated_at: datetime | None = None
