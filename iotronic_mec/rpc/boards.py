"""Calls from features to boards: conductor → the board's wamp agent → board."""

from __future__ import annotations

import time
from typing import Any, Protocol

from iotronic_mec import errors
from iotronic_mec.context import Context

ANSWER_MARGIN_S = 2.0
"""How much longer than the inner hop a caller waits, seconds: the inner error
says more than our own time-out."""


class Agents(Protocol):
    """Whatever carries calls to wamp agents: the local server, or the bus."""

    def call(
        self,
        agent: str,
        namespace: str,
        method: str,
        arguments: dict[str, Any],
        context: Context,
        timeout_s: float,
    ) -> Any:
        """Call one wamp agent and wait at most ``timeout_s``.

        :raises errors.RouterUnavailable: it is not connected; nothing was sent
        :raises errors.DeadlineExceeded: no answer in time
        :raises errors.Unavailable: it went away during the call
        """

    def tell_all(
        self, namespace: str, method: str, arguments: dict[str, Any], context: Context
    ) -> None:
        """Tell every connected wamp agent."""


class Boards:
    """Reaches boards and wamp agents; any thread.

    :param agents: carries the calls
    """

    def __init__(self, agents: Agents) -> None:
        self._agents = agents

    def call(
        self,
        context: Context,
        agent: str | None,
        board: str,
        procedure: str,
        message: dict[str, Any],
        timeout_s: float,
    ) -> dict[str, Any]:
        """Call one procedure of one board.

        Blocks up to ``timeout_s`` and a small margin.

        :param agent: uuid of the wamp agent the board is bound to
        :param procedure: ``<module>.<procedure>``
        :param timeout_s: seconds the board has, > 0
        :raises errors.BoardOffline: the board has no session
        :raises errors.BoardTimeout: no answer in time
        :raises errors.BoardLost: the session ended during the call
        :raises errors.RouterUnavailable: the wamp agent or the router is away
        """
        if agent is None:
            raise errors.BoardOffline(f"board {board} has not been online yet")
        answer = self._ask(
            context,
            agent,
            "board",
            "call",
            {"board": board, "procedure": procedure, "message": message, "timeout_s": timeout_s},
            timeout_s + ANSWER_MARGIN_S,
        )
        if not isinstance(answer, dict):
            raise errors.BoardRefused(f"board {board} gave no message as its answer")
        return answer

    def directory(
        self, context: Context, agent: str, method: str, timeout_s: float = 5.0, **arguments: Any
    ) -> Any:
        """Tell one wamp agent of a change, or ask what it knows.

        :raises errors.RouterUnavailable: the wamp agent is away
        """
        return self._ask(context, agent, "directory", method, arguments, timeout_s)

    def tell_all(self, context: Context, method: str, **arguments: Any) -> None:
        """Tell every connected wamp agent of a change.

        One that is not connected reads everything anew when it comes back.

        :raises errors.Error: one of them did not take it
        """
        self._agents.tell_all("directory", method, arguments, context)

    def _ask(
        self,
        context: Context,
        agent: str,
        namespace: str,
        method: str,
        arguments: dict[str, Any],
        timeout_s: float,
    ) -> Any:
        started = time.monotonic()
        try:
            return self._agents.call(agent, namespace, method, arguments, context, timeout_s)
        except errors.DeadlineExceeded as error:
            waited = time.monotonic() - started
            raise errors.BoardTimeout(f"no answer from the board within {waited:.1f} s") from error
