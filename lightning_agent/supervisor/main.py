"""``lightning-agent supervise``: build the parts of the supervisor and run its loop.

Prints ``supervisor ready`` to its log when it listens.  SIGTERM and SIGINT stop all plugins, then
the supervisor; SIGKILL takes all sandboxes with it.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import tomllib
from collections.abc import Sequence
from pathlib import Path

from lightning_agent.clock import Clock
from lightning_agent.errors import AlreadySupervised, Error
from lightning_agent.protocol import log_lines
from lightning_agent.sandbox.launcher import end_orphans, make_tag
from lightning_agent.sandbox.probe import probe
from lightning_agent.supervisor.cameras import CONFIGURATION_NAME, Cameras
from lightning_agent.supervisor.children import Children, Ended
from lightning_agent.supervisor.logs import Logs
from lightning_agent.supervisor.loop import Loop
from lightning_agent.supervisor.plugins import PluginStore
from lightning_agent.supervisor.restore import SOCKET_NAME, open_socket, take_ownership
from lightning_agent.supervisor.server import Server
from lightning_agent.supervisor.trusted import TrustedTime

LOG = logging.getLogger(__name__)

EXIT_FAILED = 1
"""Exit code when the state directory or the socket cannot be used."""

EXIT_ALREADY_SUPERVISED = 3
"""Exit code when another supervisor owns the state directory."""


def default_state_dir() -> Path:
    """Return the agent's state directory when none is given."""
    if os.geteuid() == 0:
        return Path("/var/lib/lightning-agent")
    return Path.home() / ".local" / "state" / "lightning-agent"


def main(argv: Sequence[str]) -> int:
    """Run the supervisor until it is told to end; return the exit code.

    :param argv: arguments without the program's name: ``["--state-dir", DIR]``
    """
    parser = argparse.ArgumentParser(
        prog="lightning-agent supervise",
        description="Own the sandboxes of this board; started by the agent when needed.",
    )
    parser.add_argument("--state-dir", type=Path, default=None, help="the agent's state directory")
    state_dir: Path = parser.parse_args(argv).state_dir or default_state_dir()
    log_lines.install("supervisor", form=log_format(state_dir / CONFIGURATION_NAME))
    try:
        return supervise(state_dir.absolute())
    except AlreadySupervised as error:
        LOG.error("%s", error.message)
        return EXIT_ALREADY_SUPERVISED
    except Error as error:
        LOG.error("%s", error.message)
        return EXIT_FAILED


def log_format(configuration: Path) -> str:
    """Return the format the board's owner chose; text when that cannot be read."""
    chosen = _setting(configuration, "agent", "log_format")
    return chosen if isinstance(chosen, str) and chosen in log_lines.FORMATS else "text"


def wants_landlock(configuration: Path) -> bool:
    """Return whether the board's owner wants Landlock; true when that cannot be read."""
    return _setting(configuration, "sandbox", "landlock") != "off"


def _setting(configuration: Path, table: str, key: str) -> object:
    try:
        found = tomllib.loads(configuration.read_text(encoding="utf-8")).get(table)
    except (OSError, ValueError):
        # the agent refuses to run with such a file, and says why
        return None
    return found.get(key) if isinstance(found, dict) else None


def supervise(state_dir: Path) -> int:
    """Own ``state_dir`` and serve until a signal or a ``shutdown`` request; main thread only.

    :raises AlreadySupervised: another supervisor owns it
    :raises StorageFailed: it cannot be used
    """
    lock = take_ownership(state_dir)
    tag = make_tag(state_dir)
    orphans = end_orphans(tag)
    if orphans:
        LOG.warning("%d processes of an earlier supervisor were killed", orphans)
    clock = Clock()
    loop = Loop(clock)
    store = PluginStore(state_dir)
    store.prepare()
    log_folder = state_dir / "logs"
    log_folder.mkdir(mode=0o700, exist_ok=True)
    logs = Logs(log_folder, clock)
    cameras = Cameras(loop, state_dir / CONFIGURATION_NAME)

    def tell_exit(ended: Ended) -> None:
        server.tell_exit(ended)

    children = Children(
        loop,
        clock=clock,
        logs=logs,
        cameras=cameras,
        find=store.find,
        on_exit=tell_exit,
        time=TrustedTime(state_dir, clock),
    )
    findings = probe(landlock=wants_landlock(state_dir / CONFIGURATION_NAME))
    listener = open_socket(state_dir)
    server = Server(
        loop, listener, store=store, children=children, logs=logs, clock=clock, tag=tag
    )
    server.use(findings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.from_thread(server.begin_shutdown))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    LOG.info("supervisor ready, level %s", findings.level)
    try:
        loop.run()
    finally:
        children.zygotes.close()
        cameras.close()
        (state_dir / SOCKET_NAME).unlink(missing_ok=True)
        listener.close()
        loop.close()
        os.close(lock)
    return 0
