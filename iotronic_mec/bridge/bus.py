"""The reactor's end of the message bus: what blocks runs in threads, over the bridge.

It offers what :class:`~iotronic_mec.bridge.local.Bridge` offers, so that the wamp
agent and the gateway do not know which transport carries their calls. The bus has
no connection to watch: after the first answer of a conductor, and every
:data:`REFRESH_S` from then on, those who watch read everything anew, since a
fan-out to an end whose link was broken is lost.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from twisted.internet.base import DelayedCall, ReactorBase
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from iotronic_mec import errors
from iotronic_mec.bridge.ends import Handler, asking_of, own_context
from iotronic_mec.bridge.threads import Threads
from iotronic_mec.context import Context
from lightning_agent.protocol.log_lines import Asking, set_asking

LOG = logging.getLogger(__name__)

CONTACT_LIMIT_S = 5.0
"""Seconds one question whether a conductor is there may take."""

CONTACT_EVERY_S = 0.5
"""Seconds between two such questions while nobody answers."""

REFRESH_S = 180.0
"""Seconds between two readings of everything, with jitter."""

CAST_LIMIT_S = 60.0
"""Seconds the conductor may take for what it is only told."""


class Caller(Protocol):
    """Carries calls to the conductor and blocks meanwhile."""

    def ask(
        self,
        context: Context,
        namespace: str,
        method: str,
        arguments: dict[str, Any],
        timeout_s: float,
    ) -> Any:
        """Call and wait for the answer."""

    def tell(
        self, context: Context, namespace: str, method: str, arguments: dict[str, Any]
    ) -> None:
        """Send without waiting for an answer."""

    def ping(self, timeout_s: float) -> None:
        """Return when a conductor has answered."""


class BusEnd:
    """The bus as the reactor's side sees it.

    :param threads: the bridge of this process
    :param caller: carries calls to the conductor
    """

    def __init__(self, reactor: ReactorBase, threads: Threads, caller: Caller) -> None:
        self._reactor = reactor
        self._threads = threads
        self._caller = caller
        self._handlers: dict[tuple[str, str], Handler] = {}
        self._watchers: list[Callable[[], None]] = []
        self._timer: DelayedCall | None = None
        self._stopped = False
        self.up = False

    def serve(self, namespace: str, methods: Mapping[str, Handler]) -> None:
        """Answer calls of the conductor to these methods of our topics."""
        for method, handler in methods.items():
            self._handlers[namespace, method] = handler

    def watch(self, connected: Callable[[], None]) -> None:
        """Call back when a conductor has answered first, and regularly after."""
        self._watchers.append(connected)

    def start(self) -> None:
        """Look for a conductor until one answers."""
        self._timer = None
        asked = self._threads.to_thread(self._caller.ping, CONTACT_LIMIT_S)
        asked.addCallbacks(lambda _: self._found(), self._not_found)

    def stop(self) -> None:
        """Stop the timer; the bridge is stopped by whoever made it."""
        self._stopped = True
        self.up = False
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def call(
        self, namespace: str, method: str, arguments: dict[str, Any], timeout_s: float
    ) -> Deferred[Any]:
        """Call the conductor; the answer, or the error it raised.

        Fails like :meth:`iotronic_mec.bridge.local.Bridge.call`.
        """
        return self._threads.to_thread(
            self._caller.ask, own_context(timeout_s), namespace, method, arguments, timeout_s
        )

    def cast(self, namespace: str, method: str, arguments: dict[str, Any]) -> bool:
        """Tell the conductor something, without an answer.

        :returns: whether it was taken for sending; ``False`` before the first contact
        """
        if not self.up:
            return False
        told = self._threads.to_thread(
            self._caller.tell, own_context(CAST_LIMIT_S), namespace, method, arguments
        )
        told.addErrback(_log_untold, method)
        return True

    def answer(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Serve one call of the conductor; threads of the RPC server only.

        :param frame: ``ns``, ``m``, ``a`` and the remaining seconds ``s``
        :returns: a frame with the result ``r`` or the error ``e``
        """
        handler = self._handlers.get((str(frame.get("ns")), str(frame.get("m"))))
        try:
            if handler is None:
                raise errors.NotFound("this process has no such method")
            limit_s = float(frame.get("s") or 0.0)
            if limit_s <= 0:
                raise errors.DeadlineExceeded()
            serve = partial(_serve, handler, asking_of(frame))
            return {"r": self._threads.call(serve, frame["a"], limit_s, timeout_s=limit_s)}
        except errors.Error as error:
            return {"e": error.to_wire()}
        except Exception:  # the outer rim of RPC in this process
            LOG.exception("call %s.%s failed", frame.get("ns"), frame.get("m"))
            told = errors.Error("internal error; the log of this process says more")
            return {"e": told.to_wire()}

    def _found(self) -> None:
        if self._stopped:
            return
        if not self.up:
            LOG.info("a conductor answers on the message bus")
        self.up = True
        for watcher in self._watchers:
            watcher()
        wait_s = REFRESH_S * random.uniform(0.8, 1.2)  # noqa: S311 - spreads, no secret
        self._timer = self._reactor.callLater(wait_s, self.start)

    def _not_found(self, failure: Failure) -> None:
        if self._stopped:
            return
        LOG.info("no conductor answers on the message bus: %s", failure.getErrorMessage())
        self._timer = self._reactor.callLater(CONTACT_EVERY_S, self.start)


async def _serve(handler: Handler, who: Asking, arguments: dict[str, Any], limit_s: float) -> Any:
    """Run a handler in the reactor; its log lines say who asked."""
    set_asking(who)
    return await handler(arguments, limit_s)


def _log_untold(failure: Failure, method: str) -> None:
    LOG.warning("the conductor was not told %s: %s", method, failure.getErrorMessage())
