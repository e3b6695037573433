"""What a fleet is, and its errors.

A fleet is static: a board is in it because its field ``fleet`` says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from iotronic_mec.errors import Conflict, NotFound

KIND = "fleet"
"""How fleets are called in the audit and in hooks."""


class FleetNotFound(NotFound):
    """There is no such fleet."""

    code = "iot.fleet.not_found"


class FleetExists(Conflict):
    """The project has a fleet of this name."""

    code = "iot.fleet.exists"


class FleetInUse(Conflict):
    """The fleet has boards: take them out first, or delete it with release=true."""

    code = "iot.fleet.in_use"


class ProjectHasFleets(Conflict):
    """The project has fleets: delete them first."""

    code = "iot.project.has_fleets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A named set of boards of one project."""

    uuid: str
    project: str
    name: str
    description: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    created_at: datetime
    updated_at: datetime | None = None
