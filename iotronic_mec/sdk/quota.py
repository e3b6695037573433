"""Quotas: how many things of each kind a project may have."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import dataclass

from iotronic_mec.sdk.names import segment
from iotronic_mec.sdk.resource import Resource
from iotronic_mec.sdk.transport import Call, Json, Transport

PATH = "/v1/quotas"

UNLIMITED = -1
"""The limit that is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota(Resource):
    """One limit: ``limit`` is what counts, -1 for any number."""

    resource: str
    limit: int = UNLIMITED
    default: int = UNLIMITED
    used: int = 0


class Quotas:
    """The limits of projects; other projects' are an administrator's."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, project: str | None = None) -> builtins.list[Quota]:
        """Return the limits of a project, of the caller's without one, and what is used.

        :raises NotFound: there is no such project
        """
        return _quotas(self._transport.json(Call(method="GET", path=_path(project))))

    def update(self, project: str, limits: Mapping[str, int]) -> builtins.list[Quota]:
        """Give a project limits of its own; those not named stay.

        :param limits: resource to the most there may be, -1 for any number
        :raises BadRequest: there is no such resource
        """
        call = Call(method="PUT", path=_path(project), json={"limits": dict(limits)})
        return _quotas(self._transport.json(call))

    def reset(self, project: str, resource: str | None = None) -> None:
        """Give a project the default limits again, of one resource or of all."""
        query = {"resource": resource}
        self._transport.send(Call(method="DELETE", path=_path(project), query=query))


def _path(project: str | None) -> str:
    return PATH if project is None else f"{PATH}/{segment(project, 'project')}"


def _quotas(wire: Json) -> builtins.list[Quota]:
    return [Quota.from_wire(each) for each in wire["quotas"]]
