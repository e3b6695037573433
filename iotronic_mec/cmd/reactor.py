"""The frame of the separate processes with a reactor: bus, bridge, order of the end."""

from __future__ import annotations

import gc
import importlib
import logging
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.threads import deferToThread
from twisted.logger import STDLibLogObserver, globalLogBeginner

from iotronic_mec.bridge.bus import BusEnd
from iotronic_mec.bridge.threads import Threads
from iotronic_mec.cmd import service
from iotronic_mec.rpc.bus import BusConductor
from iotronic_mec.rpc.listener import Listener
from iotronic_mec.rpc.transport import WAMP, Transport

LOG = logging.getLogger(__name__)

DRAIN_S = 1.5
"""Seconds the calls that were taken have to end, after SIGTERM; the router has the
rest of the 5 s."""

STOP_LIMIT_S = 4.7
"""Longest until the process is gone, seconds."""

LOOK_S = 0.05
"""Seconds between two looks whether everything is ready."""


class ReactorProcess:
    """A process with a reactor on the message bus.

    :param name: of its own topic, ``wamp.<name>``
    """

    def __init__(self, given: service.Service, name: str) -> None:
        self.reactor: Any = installed_reactor
        self.threads = Threads(self.reactor)
        self.transport = Transport(given.conf, given.conf.rpc.transport_url)
        self.end = BusEnd(self.reactor, self.threads, BusConductor(self.transport))
        self.listener = Listener(
            self.transport, WAMP, name, self.end.answer, workers=given.conf.rpc.workers
        )
        self.exit_code = 0
        self._given = given
        self._stopping: list[Callable[[], Deferred[Any] | None]] = []
        self._ready: Callable[[], bool] = lambda: self.end.up

    def when_stopping(self, stop: Callable[[], Deferred[Any] | None]) -> None:
        """Have a function called at the end, after the calls have drained."""
        self._stopping.append(stop)

    def ready_when(self, ready: Callable[[], bool]) -> None:
        """Say what else has to hold before the process is ready."""
        self._ready = lambda: self.end.up and ready()

    def run(self, start: Callable[[], None]) -> int:
        """Run the reactor until SIGTERM or SIGINT."""
        if self._given.conf.metrics.port:
            # Prometheus's library is loaded only where it is wanted
            scrape = importlib.import_module("iotronic_mec.cmd.scrape")
            folder = self._given.folder.path
            port = scrape.listen(self.reactor, self._given.conf, folder, self._given.program)
            self.when_stopping(port.stopListening)
        observer: Any = STDLibLogObserver("twisted")
        globalLogBeginner.beginLoggingTo([observer], discardBuffer=True, redirectStandardIO=False)
        self.reactor.callWhenRunning(self._start, start)
        self.reactor.addSystemEventTrigger("before", "shutdown", self._stop)
        self.reactor.run()
        LOG.info("%s has ended", self._given.program)
        service.leave(self.exit_code)

    def give_up(self, cause: str) -> None:
        """End with exit code 1, saying why."""
        LOG.error("%s: %s", self._given.program, cause)
        self.exit_code = 1
        self.reactor.stop()

    def _start(self, start: Callable[[], None]) -> None:
        # fan-outs are taken before the snapshot is read, so that none is missed
        self.listener.start()
        start()
        self._look_for_queues()
        self._look()

    def _look_for_queues(self) -> None:
        if self.listener.started.is_set():
            self.end.start()
        else:
            self.reactor.callLater(LOOK_S, self._look_for_queues)

    def _look(self) -> None:
        if self._ready():
            gc.collect()
            gc.freeze()
            LOG.info("%s is ready", self._given.program)
        else:
            self.reactor.callLater(LOOK_S, self._look)

    def _stop(self) -> Deferred[Any]:
        self.reactor.callLater(STOP_LIMIT_S, service.leave, self.exit_code)
        drained: Deferred[Any] = deferToThread(self.listener.stop, DRAIN_S)
        drained.addBoth(lambda _: self._stop_parts())
        return drained

    def _stop_parts(self) -> Deferred[Any]:
        endings = [ending for stop in self._stopping if (ending := stop()) is not None]
        self.end.stop()
        self.threads.stop()
        return DeferredList(endings)
