"""The cloud's calls over the message bus: to the conductor, to wamp agents, to APIs."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from iotronic_mec import errors
from iotronic_mec.context import Context, system_context
from iotronic_mec.rpc.transport import (
    API,
    CONDUCTOR,
    RPC_NAMESPACE,
    WAMP,
    NobodyServes,
    Transport,
)


class BusConductor:
    """The conductors on the bus; one of them takes a call; any thread."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def call(self, context: Context, namespace: str, method: str, /, **arguments: Any) -> Any:
        """Call one exposed method and return its answer.

        Blocks up to ``context.remaining_s()``.

        :raises errors.Unavailable: no conductor is there, or it went away
        :raises errors.DeadlineExceeded: no answer in time
        :raises errors.Error: whatever the method raised
        """
        return self.ask(context, namespace, method, arguments, context.remaining_s())

    def ask(
        self,
        context: Context,
        namespace: str,
        method: str,
        arguments: dict[str, Any],
        timeout_s: float,
    ) -> Any:
        """Call one exposed method with a limit of its own; else as :meth:`call`."""
        return self._transport.call(CONDUCTOR, namespace, method, arguments, context, timeout_s)

    def tell(
        self, context: Context, namespace: str, method: str, arguments: dict[str, Any]
    ) -> None:
        """Send without waiting for an answer.

        :raises errors.Unavailable: no conductor is there
        """
        self._transport.cast(CONDUCTOR, namespace, method, arguments, context)

    def ping(self, timeout_s: float) -> None:
        """Return when a conductor has answered.

        :raises errors.Unavailable: none is there
        """
        context = system_context(timeout_s)
        self._transport.call(CONDUCTOR, RPC_NAMESPACE, "ping", {}, context, timeout_s)


class BusAgents:
    """The wamp agents and gateways on the bus; any thread."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def call(
        self,
        agent: str,
        namespace: str,
        method: str,
        arguments: dict[str, Any],
        context: Context,
        timeout_s: float,
    ) -> Any:
        """Call one wamp agent.

        :raises errors.RouterUnavailable: it is not on the bus; nothing was sent
        """
        try:
            return self._transport.call(
                WAMP, namespace, method, arguments, context, timeout_s, server=agent
            )
        except NobodyServes as error:
            raise errors.RouterUnavailable(
                "the wamp agent of this board is not connected"
            ) from error

    def tell_all(
        self, namespace: str, method: str, arguments: dict[str, Any], context: Context
    ) -> None:
        """Tell all of them; one whose link is broken reads everything anew later.

        :raises errors.Unavailable: the bus is away
        """
        self._transport.cast(WAMP, namespace, method, arguments, context, fanout=True)


class BusApis:
    """The APIs on the bus, as a gateway asks them; one of them answers; any thread."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def ask(self, context: Context, environ: dict[str, str], body: bytes) -> dict[str, Any]:
        """Have one API answer a request; its ``status``, ``headers`` and ``body``.

        Blocks up to ``context.remaining_s()``.

        :param environ: the request as WSGI has it, texts only
        :raises errors.Unavailable: no API is on the bus, or it went away
        :raises errors.DeadlineExceeded: no answer in time
        """
        arguments = {"environ": environ, "body": b64encode(body).decode("ascii")}
        answer: dict[str, Any] = self._transport.call(
            API, "question", "ask", arguments, context, context.remaining_s()
        )
        return answer
