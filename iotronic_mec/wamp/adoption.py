"""Reads from the router who is there: sessions and boards' registrations.

Used after the wamp agent's own absence and every few minutes as reconciliation.
Reading is pipelined, at most :data:`AT_ONCE` questions wait at a time.

Source: WAMP spec, advanced profile, Session Meta API and Registration Meta API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from autobahn.wamp.exception import ApplicationError
from twisted.internet.defer import Deferred, FirstError, gatherResults
from twisted.internet.task import Cooperator

from lightning_agent.protocol import names

AT_ONCE = 32
"""Questions to the router under way at a time."""

_GONE = frozenset({"wamp.error.no_such_session", "wamp.error.no_such_registration"})

Ask = Callable[..., Deferred[Any]]
"""Calls one procedure of the router's meta API: uri and positional arguments."""


async def read_sessions(ask: Ask) -> list[dict[str, Any]]:
    """Return the details of every session of the outside roles."""
    roles = [names.ROLE_BOARD, names.ROLE_ENROL]
    ids = await ask("wamp.session.list", roles)
    found: list[dict[str, Any]] = []

    async def read(session: int) -> None:
        details = await unless_gone(ask("wamp.session.get", session))
        if isinstance(details, dict):
            found.append(details)

    await _each(read, ids)
    return found


async def read_serving(ask: Ask) -> dict[str, int]:
    """Return the session that holds each board's prefix registration."""
    ids = (await ask("wamp.registration.list"))["prefix"]
    serving: dict[str, int] = {}

    async def read(registration: int) -> None:
        details = await unless_gone(ask("wamp.registration.get", registration))
        board = names.board_of_registration(str((details or {}).get("uri")))
        if board is None:
            return
        callees = await unless_gone(ask("wamp.registration.list_callees", registration))
        if callees:
            serving[board] = int(callees[-1])

    await _each(read, ids)
    return serving


async def unless_gone(answer: Deferred[Any]) -> Any:
    """Wait for an answer about something; ``None`` when it has gone meanwhile."""
    try:
        return await answer
    except ApplicationError as error:
        if error.error in _GONE:
            return None
        raise


async def _each(read: Callable[[int], Any], ids: Iterable[int]) -> None:
    """Run ``read`` for all ids, :data:`AT_ONCE` at a time."""
    work = (Deferred.fromCoroutine(read(at)) for at in ids)
    cooperator = Cooperator()
    try:
        await gatherResults(
            [cooperator.coiterate(work) for _ in range(AT_ONCE)], consumeErrors=True
        )
    except FirstError as error:
        error.subFailure.raiseException()
