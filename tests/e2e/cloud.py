"""A whole cloud and boards as processes, for tests that drive them from outside."""

from __future__ import annotations

import contextlib
import os
import random
import shlex
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from demo.processes import Processes
from iotronic_mec.sdk import Client, Error, NewBoard

LIMIT_S = 60.0
"""Longest wait for anything a test waits for, seconds."""

HOST = "127.0.0.1"

SUPERVISOR = "lightning_agent.supervisor"
"""Words of a supervisor's command line."""


def wait_for(what: str, happened: Callable[[], Any], limit_s: float = LIMIT_S) -> Any:
    """Return the first true answer; fail with ``what`` after the limit."""
    end = time.monotonic() + limit_s
    while True:
        answer = happened()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit_s:g} s: {what}")
        time.sleep(0.05)


def free_ports() -> tuple[int, int, int]:
    """Return three ports nobody uses, which nobody else will be given by chance.

    They are below the range the kernel chooses from, since a cloud that is
    restarted wants its ports again; none ends in 1, which upstream's client
    would cut off.
    """
    dice = random.SystemRandom()
    found: list[int] = []
    while len(found) < 3:
        port = dice.randrange(12_000, 30_000)
        with socket.socket() as probe:
            free = port % 10 != 1 and probe.connect_ex((HOST, port)) != 0
        if free and port not in found:
            found.append(port)
    return found[0], found[1], found[2]


def processes_of(needle: str) -> dict[int, str]:
    """Return pid → command line of the live processes that have to do with a folder.

    The text is in the command line, the working folder or an open file: the
    router gives itself another command line.
    """
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                alive = (entry / "stat").read_text().split(") ")[1][0] != "Z"
                if alive and (needle in line or needle in _places(entry)):
                    found[int(entry.name)] = line
    return found


def _places(process: Path) -> str:
    """Return the working folder and the open files of a process."""
    places = [os.readlink(process / "cwd")]
    for descriptor in (process / "fd").iterdir():
        with contextlib.suppress(OSError):
            places.append(os.readlink(descriptor))
    return "\n".join(places)


class Cloud:
    """``iotronic-mec standalone`` on a folder of its own.

    :param folder: for everything
    :param public_host: name in the addresses given to boards
    """

    def __init__(self, folder: Path, public_host: str = HOST) -> None:
        self.folder = folder
        self._public_host = public_host
        self.state_dir = folder / "cloud"
        self.ports = free_ports()
        self._processes = Processes(folder)
        self._boards: dict[str, Processes] = {}

    @property
    def url(self) -> str:
        """Address of the control origin."""
        return f"http://{HOST}:{self.ports[0]}"

    @property
    def wamp_url(self) -> str:
        """Where boards join."""
        return f"ws://{HOST}:{self.ports[2]}/ws"

    @property
    def token(self) -> str:
        """The administrator's token of the first start."""
        for line in (self.state_dir / "openrc").read_text(encoding="utf-8").splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            if name == "OS_AUTH_TOKEN":
                return shlex.split(value)[0]
        raise AssertionError("openrc holds no token")

    @property
    def client(self) -> Client:
        """A client with the administrator's token."""
        return Client.with_token(self.url, self.token)

    def upstream_credentials(self) -> list[str]:
        """Return the administrator's options of upstream's client."""
        return ["--os-auth-token", self.token, "--iotronic-url", self.url]

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        self._processes = Processes(self.folder)
        self._processes.start_cloud(
            self.state_dir, HOST, self.ports, LIMIT_S, public_host=self._public_host
        )

    def stop(self) -> list[str]:
        """End it and its boards; return the command lines that had to be killed."""
        for processes in self._boards.values():
            processes.stop()
        self._processes.stop()
        end = time.monotonic() + 5
        while processes_of(str(self.folder)) and time.monotonic() < end:
            time.sleep(0.1)
        left = processes_of(str(self.folder))
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return list(left.values())

    def end_front(self) -> None:
        """End the front with SIGTERM, as an operator does; the boards stay."""
        self._processes.stop()

    def kill_front(self) -> None:
        """End the front with SIGKILL; its children must end with it."""
        front = next(iter(self.pids("iotronic-mec standalone")))
        os.kill(front, signal.SIGKILL)
        self._processes.stop()
        wait_for("the children end", lambda: not processes_of(str(self.state_dir)))

    def pids(self, part: str) -> list[int]:
        """Return the pids of a part: words of its command line."""
        lines = processes_of(str(self.state_dir))
        return sorted(pid for pid, line in lines.items() if part in line)

    def board_folder(self, name: str) -> Path:
        """Return the state directory of a board's agent."""
        return self.folder / f"board-{name}"

    def make_board(self, name: str) -> str:
        """Create a board, enrol its agent, start it; return the uuid once online."""
        made = self.client.boards.create(NewBoard(name=name))
        assert made.code is not None
        processes = self._boards.setdefault(name, Processes(self.folder))
        processes.enrol(self.board_folder(name), made.code, self.wamp_url)
        self.start_agent(name)
        self.wait_online(made.uuid)
        return made.uuid

    def start_agent(self, name: str) -> None:
        """Start a board's agent."""
        self._boards.setdefault(name, Processes(self.folder)).start_agent(self.board_folder(name))

    def agent_pids(self, name: str, part: str = "lightning-agent run") -> list[int]:
        """Return the pids of a board's agent, or of its supervisor."""
        lines = processes_of(str(self.board_folder(name)))
        return sorted(pid for pid, line in lines.items() if part in line)

    def wait_online(self, board: str, limit_s: float = LIMIT_S) -> None:
        """Wait until the cloud says that the board is online."""

        def online() -> bool:
            with contextlib.suppress(Error, OSError):
                return self.client.boards.get(board).status == "online"
            return False

        wait_for(f"board {board} is online", online, limit_s)
