"""Who is asking, for which request, and how much time is left."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, replace
from typing import Any, Self

from iotronic_mec.errors import DeadlineExceeded
from iotronic_mec.ids import new_uuid
from lightning_agent.protocol.log_lines import Asking

DEFAULT_TIMEOUT_S = 60.0
"""Seconds a request may take unless its route says otherwise."""

_KEY_SPACE = uuid.UUID("6f0c1f6e-7a53-4a6c-9d0b-0d3c3f3f8a10")

ADMIN = "admin"
MEMBER = "member"
READER = "reader"


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """A client's Idempotency-Key with the route it was used on."""

    key: str
    route: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One request's identity, rights and time.

    ``deadline`` is in :func:`time.monotonic` seconds of this process; over RPC
    the *remaining* seconds travel.
    """

    user: str
    project: str
    user_name: str = ""
    roles: tuple[str, ...] = ()
    request_id: str = ""
    deadline: float = 0.0
    idempotency: Idempotency | None = None
    system: bool = False

    @property
    def is_admin(self) -> bool:
        """Whether the caller administers the whole cloud."""
        return self.system or ADMIN in self.roles

    def remaining_s(self) -> float:
        """Return the seconds left.

        :raises DeadlineExceeded: when there are none
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded()
        return left

    def new_uuid(self, kind: str) -> str:
        """Return a uuid for something this request makes.

        With an Idempotency-Key it is always the same for one project, route,
        key and kind, so that a repeated request finds what the first one made.
        """
        if self.idempotency is None:
            return new_uuid()
        name = "\0".join((self.project, self.idempotency.route, self.idempotency.key, kind))
        return str(uuid.uuid5(_KEY_SPACE, name))

    def with_timeout(self, timeout_s: float) -> Self:
        """Return the same context with ``timeout_s`` seconds from now, whatever is left."""
        return replace(self, deadline=time.monotonic() + timeout_s)

    def asking(self) -> Asking:
        """Return who asks, for log lines."""
        return Asking(self.request_id, self.user, self.project)

    def acting_in(self, project: str) -> Self:
        """Return the context in which an act on a project's thing is audited.

        An administrator's acts belong to the project whose thing it is: its people
        are to see them, and those of the administrator's own project are not.

        :param project: of the thing; empty for what belongs to the whole cloud
        """
        if self.system or not self.is_admin or project == self.project:
            return self
        return replace(self, project=project)

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON-ready form for RPC."""
        wire: dict[str, Any] = {
            "user": self.user,
            "user_name": self.user_name,
            "project": self.project,
            "roles": list(self.roles),
            "request_id": self.request_id,
            "remaining_s": max(0.0, self.deadline - time.monotonic()),
            "system": self.system,
        }
        if self.idempotency is not None:
            wire["idempotency"] = [self.idempotency.key, self.idempotency.route]
        return wire

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> Self:
        """Rebuild a context received over RPC."""
        key = wire.get("idempotency")
        return cls(
            user=str(wire.get("user", "")),
            user_name=str(wire.get("user_name", "")),
            project=str(wire.get("project", "")),
            roles=tuple(wire.get("roles") or ()),
            request_id=str(wire.get("request_id", "")),
            deadline=time.monotonic() + float(wire.get("remaining_s", DEFAULT_TIMEOUT_S)),
            idempotency=Idempotency(key=key[0], route=key[1]) if key else None,
            system=bool(wire.get("system", False)),
        )


def system_context(timeout_s: float = DEFAULT_TIMEOUT_S, request_id: str = "") -> Context:
    """Return the context of the cloud's own periodic and internal work.

    :param request_id: of the request it goes on with; a new one without
    """
    return Context(
        user="system",
        user_name="system",
        project="",
        roles=(ADMIN,),
        request_id=request_id or f"req-{new_uuid()}",
        deadline=time.monotonic() + timeout_s,
        system=True,
    )
