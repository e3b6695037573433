"""Calls from features to boards: conductor → the board's wamp agent → board."""

from __future__ import annotations

import time
from typing import Any, Protocol

from iotronic_mec import errors
from iotronic_mec.context import Context
from iotronic_mec.rpc.local import ANSWER_MARGIN_S, Link

TOPIC = "wamp."
"""A wamp agent serves ``wamp.<its uuid>``."""


class Links(Protocol):
    """Where links to wamp agents are found."""

    def find(self, topic: str) -> Link | None:
        """Return the link that serves the topic."""

    def topics(self, prefix: str) -> list[str]:
        """Return the served topics with this prefix."""


class Boards:
    """Reaches boards and wamp agents; any thread.

    :param links: the local server
    """

    def __init__(self, links: Links) -> None:
        self._links = links

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
        for topic in self._links.topics(TOPIC):
            self.directory(context, topic.removeprefix(TOPIC), method, **arguments)

    def _ask(
        self,
        context: Context,
        agent: str,
        namespace: str,
        method: str,
        arguments: dict[str, Any],
        timeout_s: float,
    ) -> Any:
        topic = TOPIC + agent
        link = self._links.find(topic)
        if link is None:
            raise errors.RouterUnavailable("the wamp agent of this board is not connected")
        started = time.monotonic()
        try:
            return link.call(topic, namespace, method, arguments, context, timeout_s)
        except errors.DeadlineExceeded as error:
            waited = time.monotonic() - started
            raise errors.BoardTimeout(f"no answer from the board within {waited:.1f} s") from error
