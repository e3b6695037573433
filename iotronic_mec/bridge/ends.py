"""What the reactor's side may ask of a link to the conductor, whatever carries it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from iotronic_mec.context import ADMIN, Context
from iotronic_mec.ids import new_uuid
from lightning_agent.protocol.log_lines import Asking


class Handler(Protocol):
    """What answers one method: arguments in, JSON-ready answer out."""

    def __call__(self, arguments: dict[str, Any], remaining_s: float, /) -> Awaitable[Any]:
        """Answer one call within ``remaining_s`` seconds."""


class End(Protocol):
    """Calls both ways between a reactor's process and the conductor; reactor thread only."""

    @property
    def up(self) -> bool:
        """Whether the conductor can be asked."""

    def serve(self, namespace: str, methods: Mapping[str, Handler]) -> None:
        """Answer calls of the conductor to these methods."""

    def watch(self, connected: Callable[[], None]) -> None:
        """Call back whenever changes may have been missed: read everything anew."""

    def call(
        self, namespace: str, method: str, arguments: dict[str, Any], timeout_s: float
    ) -> Deferred[Any]:
        """Call the conductor; the answer, or one of :mod:`iotronic_mec.errors`."""

    def cast(self, namespace: str, method: str, arguments: dict[str, Any]) -> bool:
        """Tell the conductor something; say whether it was sent."""


def asking_of(frame: Mapping[str, Any]) -> Asking:
    """Return who asked for a call of the conductor, for log lines."""
    wire = frame.get("c") or {}
    return Asking(*(str(wire.get(name, "")) for name in ("request_id", "user", "project")))


def own_context(timeout_s: float) -> Context:
    """Return the context of a report: the cloud's own, with a new request id.

    :param timeout_s: seconds it may take
    """
    return Context(
        user="wamp-agent",
        user_name="wamp-agent",
        project="",
        roles=(ADMIN,),
        request_id=f"req-{new_uuid()}",
        system=True,
    ).with_timeout(timeout_s)
