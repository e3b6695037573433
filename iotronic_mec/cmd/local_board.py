"""The board of ``standalone --with-agent``: enrolled once, then run as a child.

Reactor thread only.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed

from iotronic_mec.bridge.local import Bridge
from iotronic_mec.cmd import state_dir
from iotronic_mec.cmd.children import Child, Program
from iotronic_mec.cmd.options import Options
from iotronic_mec.errors import Error

LOG = logging.getLogger(__name__)

CREATE_LIMIT_S = 30.0
"""Seconds the conductor may take to make the board."""


class LocalBoard:
    """Runs a lightning agent beside the cloud, if asked to.

    :param troubled: told a sentence when it does not come up
    """

    def __init__(
        self, reactor: Any, options: Options, bridge: Bridge, troubled: Callable[[str], None]
    ) -> None:
        self._reactor = reactor
        self._options = options
        self._bridge = bridge
        self._troubled = troubled
        self._child: Child | None = None
        self._stopping = False

    def start(self) -> None:
        """Enrol at the first start, and run; does nothing when not asked for."""
        if not self._options.with_agent:
            return
        if self._is_enrolled():
            self._run()
        else:
            Deferred.fromCoroutine(self._enrol())

    def stop(self) -> Deferred[None]:
        """End the agent."""
        self._stopping = True
        return self._child.stop() if self._child is not None else succeed(None)

    def _is_enrolled(self) -> bool:
        return (self._options.state_dir.agent / "identity.json").exists()

    async def _enrol(self) -> None:
        try:
            made = await self._bridge.call(
                "board", "create_local", {"name": board_name()}, CREATE_LIMIT_S
            )
        except Error as error:
            self._troubled(f"no board was made for --with-agent: {error.message}")
            return
        self._child = Child(
            self._reactor,
            self._program(["enrol", "-", made["url"]], code=made["code"]),
            self._troubled,
        )
        self._child.start()
        await self._child.wait()
        if self._stopping:
            return
        if self._is_enrolled():
            self._run()
            return
        program = self._child.program
        self._troubled(
            f"the board of --with-agent did not enrol: {self._child.last_words()} "
            f"[{program.log_path}]"
        )

    def _run(self) -> None:
        self._child = Child(
            self._reactor, self._program(["run", "--stop-plugins"]), self._troubled
        )
        self._child.start()

    def _program(self, words: list[str], code: str = "") -> Program:
        folder = self._options.state_dir
        arguments = [*words, "--state-dir", str(folder.agent)]
        if code and self._options.certificate is not None:
            arguments += ["--ca", str(self._options.certificate)]
        return Program(
            name="agent",
            command=[*_agent_command(), *arguments],
            open_log=lambda: state_dir.open_log(folder, "agent"),
            log_path=folder.logs / "agent.log",
            # it ends its supervisor in order, so it is asked and not killed
            parent_death=signal.SIGTERM,
            given=f"{code}\n".encode() if code else b"",
            restart=not code,
            environment={"PYTHONUNBUFFERED": "1"},
        )


def board_name() -> str:
    """Return a name for the board of this machine, after its host name."""
    name = re.sub(r"[^A-Za-z0-9._~-]", "-", socket.gethostname())[:255].strip(".")
    return name or "local"


def _agent_command() -> list[str]:
    beside = Path(sys.executable).with_name("lightning-agent")
    if os.access(beside, os.X_OK):
        return [str(beside)]
    return [sys.executable, "-m", "lightning_agent"]
