"""``lightning-agent run``: the process that joins the cloud and obeys it.

Builds the parts, runs the reactor, ends on SIGTERM or SIGINT within two seconds.
The supervisor and the plugins stay, unless asked otherwise.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred
from twisted.logger import STDLibLogObserver, globalLogBeginner

from lightning_agent import conf as conf_module
from lightning_agent.conf import Conf, ConfRefused, default_state_dir
from lightning_agent.errors import Error
from lightning_agent.protocol import log_lines
from lightning_agent.session.agent import Agent
from lightning_agent.session.enrolment import Enrolment
from lightning_agent.session.transport import Target
from lightning_agent.state.files import become_owner
from lightning_agent.state.identity import Identity, find_identity
from lightning_agent.state.leftovers import drop_identity, is_dropping

LOG = logging.getLogger(__name__)

NOT_ENROLLED = 3
"""Exit code: the board has no identity and nothing to get one with."""
ALREADY_RUNNING = 4
"""Exit code: another agent owns the state directory."""
STOP_LIMIT_S = 1.7
"""After this the process ends without being polite any longer."""


def main(arguments: Sequence[str]) -> int:
    """Run the agent until it is stopped; return the exit code."""
    options = _parser().parse_args(arguments)
    become_owner(options.state_dir)
    try:
        conf = conf_module.load(options.state_dir)
        start_logging(options.log_level or conf.log_level, conf.log_format)
        lock = take_lock(conf.state_dir)
    except ConfRefused as error:
        sys.stderr.write(f"lightning-agent: {error}\n")
        return 2
    if lock is None:
        sys.stderr.write(f"lightning-agent: another agent runs in {conf.state_dir}\n")
        return ALREADY_RUNNING
    try:
        if find_identity(conf.state_dir) is None and not (conf.cloud.url and conf.cloud.code):
            sys.stderr.write(
                "lightning-agent: this board is not enrolled; create a board in the cloud and run "
                f"'lightning-agent enrol CODE URL --state-dir {conf.state_dir}' with its code\n"
            )
            return NOT_ENROLLED
    except Error as error:
        sys.stderr.write(f"lightning-agent: {error}\n")
        return NOT_ENROLLED
    process = Process(
        installed_reactor,
        conf,
        stop_plugins=options.stop_plugins,
        starts_supervisor=not options.no_supervisor,
    )
    code = process.run()
    if process.restarts:
        # the same process, by the same command line, with the software of today
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606
    return code


def start_logging(level: str, form: str) -> None:
    """Send all log lines, also the reactor's, to standard error."""
    log_lines.install("lightning-agent", form=form, level=level)
    # the library logs each connection at info; ours say the same in one line
    logging.getLogger("twisted").setLevel(logging.WARNING)
    observer: Any = STDLibLogObserver()
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False, discardBuffer=True)


def take_lock(state_dir: Path) -> int | None:
    """Own the state directory while the process lives; ``None`` when another one does."""
    lock = os.open(state_dir / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock


class Process:
    """The reactor's run: enrol if need be, then be the agent of this board."""

    def __init__(
        self,
        reactor: Any,
        conf: Conf,
        *,
        stop_plugins: bool = False,
        starts_supervisor: bool = True,
    ) -> None:
        self._reactor = reactor
        self._conf = conf
        self._stop_plugins = stop_plugins
        self._starts_supervisor = starts_supervisor
        self._agent: Agent | None = None
        self._stopping = False
        self._code = 0
        self.restarts = False
        """Whether the program is to start anew after the run."""

    def run(self) -> int:
        """Run until stopped; return the exit code."""
        reactor = self._reactor
        reactor.callWhenRunning(self._start)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        reactor.run(installSignalHandlers=False)
        return self._code

    def _on_signal(self, number: int, frame: object) -> None:
        self._reactor.callFromThread(self._begin_stop)

    def _start(self) -> None:
        Deferred.fromCoroutine(self._live()).addErrback(self._broke)

    async def _live(self) -> None:
        while not self._stopping:
            identity = find_identity(self._conf.state_dir) or await self._enrol()
            if identity is None:
                self._end()
                return
            self._conf = conf_module.load(self._conf.state_dir)
            self._agent = Agent(
                self._reactor,
                self._conf,
                identity,
                self._restart,
                starts_supervisor=self._starts_supervisor,
            )
            await self._agent.run()
            await self._agent.stopped
            if is_dropping(self._conf.state_dir):
                drop_identity(self._conf.state_dir)

    async def _enrol(self) -> Identity | None:
        cloud = self._conf.cloud
        target = Target(url=cloud.url or "", realm=cloud.realm, ca=cloud.ca)
        enrolment = Enrolment(self._reactor, self._conf.state_dir, target)
        while not self._stopping:
            try:
                return await enrolment.enrol(cloud.code or "")
            except Error as error:
                LOG.error("enrolment: %s", error)
                if error.code != "cloud_away":
                    self._code = NOT_ENROLLED
                    return None
        return None

    def _restart(self) -> None:
        self.restarts = True
        self._stop_plugins = False
        self._begin_stop()

    def _begin_stop(self) -> None:
        if not self._stopping:
            self._stopping = True
            LOG.info("stopping")
            self._reactor.callLater(STOP_LIMIT_S, self._end)
            Deferred.fromCoroutine(self._stop()).addErrback(self._broke)

    async def _stop(self) -> None:
        if self._agent is not None:
            await self._agent.stop(stop_plugins=self._stop_plugins)
        self._end()

    def _end(self) -> None:
        if self._reactor.running:
            self._reactor.stop()

    def _broke(self, failure: Any) -> None:
        if isinstance(failure.value, Error):
            LOG.critical("%s", failure.value)
        else:
            LOG.critical("the agent broke: %s", failure.getTraceback())
        self._code = 1
        self._end()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lightning-agent run",
        description="Join the cloud this board is enrolled at and carry out its orders, until "
        "stopped by SIGTERM. Plugins go on running and are found again by the next start.",
        epilog="exit codes: 0 stopped, 1 failed, 2 wrong setting, 3 not enrolled, "
        "4 another agent runs here",
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=default_state_dir(),
        metavar="DIR",
        help="where the agent keeps key, identity and plugins (%(default)s)",
    )
    parser.add_argument(
        "--stop-plugins",
        action="store_true",
        help="on stopping also end the supervisor and all plugins",
    )
    parser.add_argument(
        "--no-supervisor",
        action="store_true",
        help="wait for a supervisor that an init system runs, instead of starting one",
    )
    parser.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        help="overrides log_level of agent.toml",
    )
    return parser
