"""The serving side of the message bus: a bounded executor that drains when stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from iotronic_mec import errors
from iotronic_mec.rpc.transport import (
    EXCHANGE,
    RPC_NAMESPACE,
    SIGN_OF_LIFE_S,
    Transport,
    check_size,
)
from iotronic_mec.rpc.workers import Workers

# after our transport, which decides how oslo.messaging is loaded
import oslo_messaging  # isort: skip
from oslo_messaging.rpc.server import RPCServer  # isort: skip

LOG = logging.getLogger(__name__)

WORKERS = 64
"""Threads that run calls; a call that waits for a board holds one."""

MAX_WAITING = 1024
"""Most calls taken and not answered; one more is told ``Busy`` at once."""

Answer = Callable[[dict[str, Any]], dict[str, Any]]
"""Runs a call: a frame in (``ns``, ``m``, ``a``, ``c``, ``s``), a frame with ``r`` or
``e`` out; raises nothing."""


class Listener:
    """Serves one topic of the bus.

    :param topic: shared by all servers of the kind; one of them takes a call
    :param server: name of this one; ``topic.server`` is its own
    :param answer: runs a call
    :param workers: threads, > 0
    :param max_waiting: most calls taken and not answered, > 0
    """

    def __init__(
        self,
        transport: Transport,
        topic: str,
        server: str,
        answer: Answer,
        *,
        workers: int = WORKERS,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._workers = Workers(workers)
        self._calls = _Calls(answer, max_waiting)
        target = oslo_messaging.Target(exchange=EXCHANGE, topic=topic, server=server)
        # "threading" by position: by name oslo warns that there is no other any more
        self._server = _Server(transport.oslo, target, self._calls, "threading")
        self._server.workers = self._workers
        self._stop = threading.Event()
        self.started = threading.Event()
        """Set when the queues exist and calls are taken."""

    def start(self) -> None:
        """Serve as soon as the broker is there; returns at once, any thread."""
        for work in (self._start, self._sign_of_life):
            threading.Thread(target=work, name="rpc-listener", daemon=True).start()

    def stop(self, limit_s: float) -> bool:
        """Take no more calls and let those taken end; blocks up to ``limit_s``.

        :returns: whether all of them have been answered
        """
        until = time.monotonic() + limit_s
        self._stop.set()
        if self.started.is_set():
            stopping = threading.Thread(target=self._leave, daemon=True)
            stopping.start()
            stopping.join(limit_s)
        drained = self._calls.drain(max(0.0, until - time.monotonic()))
        self._workers.close()
        if not drained:
            LOG.warning("%d calls are cut off", len(self._calls))
        return drained

    def _leave(self) -> None:
        """Take no more, and give back to the broker what was not taken.

        oslo closes the connection only after the last call has ended; until then
        the broker would go on to hand us calls, which nobody takes.
        """
        self._server.stop()
        self._server.listener.cleanup()

    def _start(self) -> None:
        # its own pool gets nothing to do
        self._server.start(override_pool_size=1)
        self.started.set()

    def _sign_of_life(self) -> None:
        while not self._stop.wait(SIGN_OF_LIFE_S / 4):
            self._calls.sign()


class _Calls:
    """The calls taken and not yet answered; oslo.messaging's dispatcher."""

    def __init__(self, answer: Answer, max_waiting: int) -> None:
        self._answer = answer
        self._max_waiting = max_waiting
        self._taken: dict[Any, float] = {}
        self._change = threading.Condition()

    def __len__(self) -> int:
        return len(self._taken)

    def take(self, incoming: Any) -> bool:
        """Note a call; ``False`` when there are too many."""
        with self._change:
            if len(self._taken) >= self._max_waiting:
                return False
            self._taken[incoming] = time.monotonic()
            return True

    def gone(self, incoming: Any) -> None:
        """Forget a call: it is answered."""
        with self._change:
            self._taken.pop(incoming, None)
            self._change.notify_all()

    def drain(self, limit_s: float) -> bool:
        """Wait until all are answered; say whether they are."""
        with self._change:
            return self._change.wait_for(lambda: not self._taken, limit_s)

    def sign(self) -> None:
        """Tell the callers of long calls that we live."""
        now = time.monotonic()
        with self._change:
            long = [at for at, since in self._taken.items() if now - since > SIGN_OF_LIFE_S / 4]
        for incoming in long:
            if incoming.client_timeout:
                try:
                    incoming.heartbeat()
                except (OSError, oslo_messaging.MessagingException) as error:
                    LOG.info("a caller hears nothing of its call: %s", error)

    def dispatch(self, incoming: Any) -> dict[str, Any]:
        """Run one call; in a thread of the pool."""
        message = incoming.message
        wire = dict(incoming.ctxt)
        # what it waited for a thread is gone from its time
        waited_s = time.monotonic() - self._taken.get(incoming, time.monotonic())
        left_s = float(wire.get("remaining_s") or 0.0) - waited_s
        namespace, method = str(message.get("namespace")), str(message.get("method"))
        if namespace == RPC_NAMESPACE and method == "ping":
            return {"r": None}
        if left_s <= 0:
            return {"e": errors.DeadlineExceeded().to_wire()}
        answer = self._answer(
            {
                "ns": namespace,
                "m": method,
                "a": (message.get("args") or {}).get("arguments") or {},
                "c": {**wire, "remaining_s": left_s},
                "s": left_s,
            }
        )
        if "e" in answer:
            return {"e": answer["e"]}
        try:
            check_size(answer.get("r"))
        except errors.TooLarge as error:
            return {"e": error.to_wire()}
        return {"r": answer.get("r")}


class _Server(RPCServer):  # type: ignore[misc]
    """oslo.messaging's server with a bound, and with threads of ours."""

    dispatcher: _Calls
    workers: Workers

    def _on_incoming(self, incoming: Any) -> None:
        call = incoming[0]
        if self.dispatcher.take(call):
            self.workers.submit(partial(self._process_incoming, incoming))
        else:
            call.acknowledge()
            call.reply({"e": errors.Busy().to_wire()})

    def _process_incoming(self, incoming: Any) -> None:
        try:
            super()._process_incoming(incoming)
        finally:
            self.dispatcher.gone(incoming[0])
