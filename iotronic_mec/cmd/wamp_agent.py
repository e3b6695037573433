"""``iotronic-mec-wamp-agent``: talks to boards through its own router.

One reactor; calls of conductors come in over the message bus, reports of boards go
out over it. The router, Crossbar, is its child or, where the configuration says so,
somebody else's. Two agents on one host need two state directories and two ports.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from iotronic_mec import missing
from iotronic_mec.cmd import options, router, service, state_dir
from iotronic_mec.cmd.children import Child, Program
from iotronic_mec.cmd.reactor import ReactorProcess
from iotronic_mec.conf import BadConfiguration
from iotronic_mec.errors import Unavailable
from iotronic_mec.wamp.agent import AgentSettings, WampAgent

LOG = logging.getLogger(__name__)

PROGRAM = "iotronic-mec-wamp-agent"

NEEDED = (("rpc", "transport_url"), ("wamp_agent", "url"))

PORT_PATIENCE_S = 4.0
"""Seconds to wait for the port: the router of an agent that was killed may be on
its way out."""


class Process:
    """The parts of the process."""

    def __init__(self, given: service.Service) -> None:
        folder, conf = given.folder, given.conf.wamp_agent
        seed = state_dir.wamp_agent_seed(folder)
        self._uuid = state_dir.wamp_agent_uuid(folder)
        self._process = ReactorProcess(given, self._uuid)
        supervised = conf.router == "supervised"
        self._agent = WampAgent(
            self._process.reactor,
            self._process.end,
            AgentSettings(
                uuid=self._uuid,
                url=conf.url,
                socket=folder.router_socket if supervised else Path(conf.socket),
                seed=seed,
                secret=given.secret,
            ),
        )
        self._router = self._own_router(folder, conf, seed) if supervised else None
        key = router.public_key(seed)
        LOG.info("wamp agent %s, key %s, boards join at %s", self._uuid, key, conf.url)
        self._process.ready_when(lambda: self._agent.ready)
        self._process.when_stopping(self._stop)

    def run(self) -> int:
        """Run until SIGTERM or SIGINT."""
        return self._process.run(self._start)

    def _start(self) -> None:
        if self._router is not None:
            self._router.start()
        self._agent.start()

    def _stop(self) -> Deferred[Any] | None:
        self._agent.stop()
        return self._router.stop() if self._router is not None else None

    def _own_router(self, folder: state_dir.StateDir, conf: Any, seed: bytes) -> Child:
        router.write(
            folder,
            router.RouterSettings(
                public_key=router.public_key(seed),
                host=conf.host,
                port=conf.port,
                certificate=Path(conf.certificate) if conf.certificate else None,
                key=Path(conf.key) if conf.key else None,
            ),
        )
        program = Program(
            name="router",
            command=router.command(folder),
            open_log=lambda: state_dir.open_log(folder, "router"),
            log_path=folder.logs / "router.log",
            prepare=lambda: router.clear_stale(folder),
            cause=lambda: options.port_problem(conf.host, conf.port, "[wamp_agent] port"),
            environment={"PYTHONUNBUFFERED": "1"},
        )
        return Child(self._process.reactor, program, lambda told: LOG.error("%s", told))


def run(given: service.Service) -> int:
    """Check what can be wrong in one line, then run."""
    conf = given.conf.wamp_agent
    if conf.router == "joined":
        if not conf.socket:
            raise service.Missing("[wamp_agent] socket is not set: a joined router needs it")
    else:
        _check_router(conf)
    try:
        held = state_dir.lock(given.folder, PROGRAM)
    except state_dir.StateDirUnusable as error:
        raise BadConfiguration(str(error)) from error
    try:
        return Process(given).run()
    finally:
        held.release()


def main(arguments: Sequence[str]) -> int:
    """Read the arguments and run."""
    description = (__doc__ or "").partition("\n\n")[0].partition(": ")[2]
    return service.main(PROGRAM, description, arguments, NEEDED, run)


def _check_router(conf: Any) -> None:
    """Refuse a router that cannot run.

    :raises Unavailable: names the option
    """
    for sentence in missing.missing("router"):
        raise Unavailable(sentence)
    certificate = Path(conf.certificate) if conf.certificate else None
    key = Path(conf.key) if conf.key else None
    try:
        options.check_listener(conf.host, certificate, key)
        options.wait_for_port(conf.host, conf.port, "[wamp_agent] port", PORT_PATIENCE_S)
    except options.Refused as error:
        told = str(error).replace("--cert and --key", "[wamp_agent] certificate and key")
        raise Unavailable(told.replace("--host", "[wamp_agent] host")) from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
