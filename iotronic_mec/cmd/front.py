"""The front process: both HTTP origins, the wamp agent, and the children.

One reactor, no threads. Children: the core (:mod:`iotronic_mec.cmd.core`), the
router (Crossbar), and with ``--with-agent`` a lightning agent. It says it is
ready when the core answers, boards may log in, and both origins listen.
"""

from __future__ import annotations

import gc
import importlib
import logging
import sys
import time
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import CannotListenError
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.internet.task import LoopingCall
from twisted.logger import STDLibLogObserver, globalLogBeginner

from iotronic_mec.bridge.local import Bridge
from iotronic_mec.cmd import logs, router, state_dir
from iotronic_mec.cmd.children import Child, Program
from iotronic_mec.cmd.direct_reactor import reactor as installed_reactor
from iotronic_mec.cmd.local_board import LocalBoard
from iotronic_mec.cmd.options import Options, port_problem
from iotronic_mec.errors import Error
from iotronic_mec.gateway.blobs import BlobSite
from iotronic_mec.gateway.control import ControlSite
from iotronic_mec.gateway.environ import Origin
from iotronic_mec.gateway.job import Job
from iotronic_mec.gateway.upstream import Upstream
from iotronic_mec.wamp.agent import AgentSettings, WampAgent

LOG = logging.getLogger(__name__)

READY_LIMIT_S = 60.0
"""Seconds until everything has to be ready; then the start has failed."""

STOP_LIMIT_S = 4.5
"""Seconds the children have to end; the kernel ends those that do not."""

LOOK_S = 0.05
"""Seconds between two looks whether everything is ready."""

EARLY_ENDS = 3
"""A child that ended this often before all was ready makes the start fail."""

PROBE = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/v1",
    "QUERY_STRING": "",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "0",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "127.0.0.1",
    "wsgi.url_scheme": "http",
    "HTTP_HOST": "localhost",
}
"""The request that shows that the core answers."""


def run(options: Options, conf: Any = None) -> int:
    """Run until SIGTERM or SIGINT; return the exit code.

    :param conf: the configuration; ``None`` where there is no file of it
    """
    log_to_file(options.state_dir, conf)
    front = Front(installed_reactor, options)
    reactor: Any = installed_reactor
    try:
        front.listen()
        front.tell_metrics(conf)
    except Error as error:
        print(f"iotronic-mec standalone: {error.message}", file=sys.stderr)
        return 1
    except CannotListenError as error:
        print(
            f"iotronic-mec standalone: port {error.port} on {options.host} is in use: "
            "choose another --port or --content-port",
            file=sys.stderr,
        )
        return 1
    reactor.callWhenRunning(front.start)
    reactor.addSystemEventTrigger("before", "shutdown", front.stop)
    reactor.run()
    return front.exit_code


class Front:
    """Everything of the front process."""

    def __init__(self, reactor: Any, options: Options) -> None:
        self.exit_code = 0
        self._reactor = reactor
        self._options = options
        folder = options.state_dir
        secret = state_dir.secret(folder)
        seed = state_dir.wamp_agent_seed(folder)
        agent = state_dir.wamp_agent_uuid(folder)
        self._bridge = Bridge(reactor, folder.rpc_socket, name="front", topics=(f"wamp.{agent}",))
        self._agent = WampAgent(
            reactor,
            self._bridge,
            AgentSettings(
                uuid=agent,
                url=options.wamp_url,
                socket=folder.router_socket,
                seed=seed,
                secret=secret,
            ),
        )
        self._upstream = Upstream(reactor, folder.api_socket)
        self._control = ControlSite(
            reactor,
            self._upstream,
            Origin(
                scheme="https" if options.certificate else "http",
                name=options.public_host,
                port=options.port,
                trusted_proxies=options.trusted_proxies,
            ),
            self.health,
            self._agent.outbound.call,
        )
        self._content = BlobSite(reactor, folder.blobs, secret, self._is_board, time.time)
        router_settings = router.RouterSettings(
            public_key=router.public_key(seed),
            host=options.host,
            port=options.wamp_port,
            certificate=options.certificate,
            key=options.key,
        )
        router.write(folder, router_settings)
        self._children = [
            Child(reactor, core_program(options), self._troubled),
            Child(reactor, router_program(options), self._troubled),
        ]
        self._board = LocalBoard(reactor, options, self._bridge, self._troubled)
        self._readiness = Readiness(self._upstream)
        self._look = LoopingCall(self._is_ready_now)
        self._look.clock = reactor
        self._started_s = 0.0

    def listen(self) -> None:
        """Open both origins.

        :raises CannotListenError: a port is taken
        """
        options = self._options
        for port, site in ((options.port, self._control), (options.content_port, self._content)):
            if options.certificate and options.key:
                context = DefaultOpenSSLContextFactory(  # type: ignore[no-untyped-call]
                    str(options.key), str(options.certificate)
                )
                self._reactor.listenSSL(port, site, context, interface=options.host)
            else:
                self._reactor.listenTCP(port, site, interface=options.host, backlog=512)

    def tell_metrics(self, conf: Any) -> None:
        """Listen for Prometheus where the configuration says so.

        :raises Error: the option is wrong or the port is taken
        """
        if conf is not None and conf.metrics.port:
            # Prometheus's library is loaded only where it is wanted
            scrape = importlib.import_module("iotronic_mec.cmd.scrape")
            folder = self._options.state_dir.path
            scrape.listen(self._reactor, conf, folder, "front", self._bridge)

    def start(self) -> None:
        """Start the children and connect to them."""
        self._started_s = self._reactor.seconds()
        for child in self._children:
            child.start()
        self._bridge.start()
        self._upstream.start()
        self._agent.start()
        self._look.start(LOOK_S, now=False)

    def stop(self) -> Deferred[Any]:
        """End the children, then everything here; the reactor waits for it."""
        if self._look.running:
            self._look.stop()
        self._agent.stop()
        endings = [self._board.stop(), *(child.stop() for child in self._children)]
        self._bridge.stop()
        self._upstream.stop()
        ended = DeferredList(endings)
        ended.addTimeout(STOP_LIMIT_S, self._reactor, onTimeoutCancel=lambda *_: None)
        return ended

    def health(self) -> dict[str, str]:
        """Say how the parts are: ``up`` or why not."""
        core = self._upstream.up and self._bridge.up
        return {
            "core": "up" if core else "the core is starting or restarting",
            "router": "up" if self._agent.ready else self._agent.cause,
        }

    def _is_board(self, board: str) -> bool:
        return board in self._agent.directory

    def _is_ready_now(self) -> None:
        health = self.health()
        if all(state == "up" for state in health.values()) and self._readiness.check():
            self._look.stop()
            gc.collect()
            gc.freeze()
            LOG.info("ready at %s", self._options.public_url)
            print(f"iotronic-mec ready at {self._options.public_url}", flush=True)
            self._board.start()
            return
        for child in self._children:
            if child.ends >= EARLY_ENDS:
                program = child.program
                self._give_up(
                    f"{program.name} {child.last_end}: {child.last_words()} [{program.log_path}]"
                )
                return
        if self._reactor.seconds() - self._started_s > READY_LIMIT_S:
            causes = [f"{part}: {state}" for part, state in health.items() if state != "up"]
            causes = causes or [f"core: {self._readiness.cause}"]
            self._give_up(
                f"not ready after {READY_LIMIT_S:.0f} s ({'; '.join(causes)}) "
                f"[{self._options.state_dir.logs}]"
            )

    def _give_up(self, cause: str) -> None:
        self._look.stop()
        self.exit_code = 1
        LOG.error("the start failed: %s", cause)
        print(f"iotronic-mec standalone: {cause}", file=sys.stderr, flush=True)
        self._reactor.stop()

    @staticmethod
    def _troubled(sentence: str) -> None:
        LOG.error("%s", sentence)
        print(f"iotronic-mec standalone: {sentence}", file=sys.stderr, flush=True)


class Readiness:
    """Asks the core for one answer over HTTP's way, and remembers it."""

    def __init__(self, upstream: Upstream) -> None:
        self.cause = "no request was answered"
        self._upstream = upstream
        self._asked = False
        self._answered = False

    def check(self) -> bool:
        """Say whether the core has answered; ask it if nobody asks."""
        if not self._answered and not self._asked:
            self._asked = True
            self._upstream.submit(Job(self, dict(PROBE), None, 0))
        return self._answered

    def response(self, status: int, headers: list[list[str]], data: bytes, last: bool) -> None:
        """Take the head of the answer."""
        self._asked = False
        self._answered = status < 500
        self.cause = f"GET /v1 was answered with {status}"

    def piece(self, data: bytes, last: bool) -> None:
        """Take a piece of the answer."""

    def failed(self, error: Error) -> None:
        """Take note that there is no answer."""
        self._asked = False
        self.cause = error.message


def core_program(options: Options) -> Program:
    """Return how the core is run."""
    folder = options.state_dir
    return Program(
        name="core",
        command=[
            sys.executable,
            "-m",
            "iotronic_mec.cmd.core",
            "--state-dir",
            str(folder.path),
            "--public-url",
            options.public_url,
            "--content-url",
            options.content_url,
            "--wamp-url",
            options.wamp_url,
        ],
        open_log=lambda: state_dir.open_log(folder, "core"),
        log_path=folder.logs / "core.log",
        environment={"PYTHONUNBUFFERED": "1"},
    )


def router_program(options: Options) -> Program:
    """Return how the router is run."""
    folder = options.state_dir
    return Program(
        name="router",
        command=router.command(folder),
        open_log=lambda: state_dir.open_log(folder, "router"),
        log_path=folder.logs / "router.log",
        prepare=lambda: router.clear_stale(folder),
        cause=lambda: port_problem(options.host, options.wamp_port, "--wamp-port"),
        environment={"PYTHONUNBUFFERED": "1"},
    )


def log_to_file(folder: state_dir.StateDir, conf: Any) -> None:
    """Send this process's log, Twisted's included, to ``log/front.log``."""
    stream = open(state_dir.open_log(folder, "front"), "a", encoding="utf-8", buffering=1)
    logs.begin("front", conf and conf.log, stream)
    observer: Any = STDLibLogObserver("twisted")
    globalLogBeginner.beginLoggingTo([observer], discardBuffer=True, redirectStandardIO=False)
