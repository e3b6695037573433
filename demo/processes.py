"""Starts and stops the cloud and the agent as processes of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

STOP_S = 10.0
"""Longest wait for a process that was told to end, seconds."""

PORTS = (1288, 1289, 8443)
"""Ports wanted: control, content, WAMP; others are taken where one is in use."""


class DemoFailed(Exception):
    """A step did not work; says which and why."""


def choose_ports(host: str) -> tuple[int, int, int]:
    """Return the default ports, or free ones where a default is in use.

    None ends in 1: upstream's client cuts that digit off the address.
    """
    chosen = []
    for wanted in PORTS:
        chosen.append(wanted if is_free(host, wanted) else _free(host, chosen))
    control, content, wamp = chosen
    return control, content, wamp


def is_free(host: str, port: int) -> bool:
    """Say whether a port can be listened on now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _free(host: str, taken: list[int]) -> int:
    for _ in range(100):
        with socket.socket() as probe:
            probe.bind((host, 0))
            port: int = probe.getsockname()[1]
        if port % 10 != 1 and port not in taken:
            return port
    raise DemoFailed("no free port was found")


class Processes:
    """The children of the demonstration.

    :param folder: where their logs go
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[str]] = {}

    def start_cloud(
        self,
        state_dir: Path,
        host: str,
        ports: tuple[int, int, int],
        limit_s: float,
        *,
        public_host: str | None = None,
    ) -> None:
        """Start ``iotronic-mec standalone`` and wait until it says it is ready.

        :param public_host: name in the addresses given to boards; the host unless told
        :raises DemoFailed: with what it printed instead
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        control, content, wamp = (str(port) for port in ports)
        command = [script("iotronic-mec"), "standalone", "--state-dir", str(state_dir)]
        command += ["--host", host, "--port", control, "--content-port", content]
        command += ["--wamp-port", wamp, "--public-host", public_host or host]
        process = self._start("cloud", command, subprocess.PIPE)
        ready = threading.Event()
        printed: list[str] = []
        reader = threading.Thread(target=_read, args=(process, printed, ready), daemon=True)
        reader.start()
        end = time.monotonic() + limit_s
        while not ready.wait(0.1):
            if process.poll() is not None or time.monotonic() > end:
                reader.join(1)
                told = "".join(printed[-5:]).strip() or self._tail("cloud")
                raise DemoFailed(f"the cloud did not start: {told}")

    def enrol(self, state_dir: Path, code: str, url: str) -> None:
        """Run ``lightning-agent enrol``, the code on its standard input.

        :raises DemoFailed: with what it printed
        """
        command = [script("lightning-agent"), "enrol", "--state-dir", str(state_dir), "-", url]
        done = subprocess.run(
            command, input=f"{code}\n", text=True, capture_output=True, timeout=60, check=False
        )
        if done.returncode != 0:
            raise DemoFailed(f"the agent could not enrol: {(done.stderr or done.stdout).strip()}")

    def start_agent(self, state_dir: Path) -> None:
        """Start ``lightning-agent run``."""
        command = [script("lightning-agent"), "run", "--state-dir", str(state_dir)]
        self._start("agent", [*command, "--stop-plugins"], None)

    def ended(self) -> str | None:
        """Return the name of a process that ended by itself, or ``None``."""
        return next((n for n, p in self._running.items() if p.poll() is not None), None)

    def stop(self) -> None:
        """End all, the agent first; each within a limit."""
        for process in reversed(self._running.values()):
            _end(process)

    def _start(self, name: str, command: list[str], output: int | None) -> subprocess.Popen[str]:
        before = self._running.pop(name, None)
        if before is not None:
            _end(before)
        log: IO[str]
        with (self._folder / f"{name}.log").open("a", encoding="utf-8") as log:
            process = subprocess.Popen(
                command,
                stdout=log if output is None else output,
                stderr=log,
                stdin=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self._running[name] = process
        return process

    def _tail(self, name: str) -> str:
        lines = (self._folder / f"{name}.log").read_text(encoding="utf-8").splitlines()
        return "\n".join(lines[-5:])


def script(name: str) -> str:
    """Return the path of a console script of this environment."""
    return str(Path(sys.executable).with_name(name))


def _end(process: subprocess.Popen[str]) -> None:
    """End a process, kindly first, and take leave of it."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
    if process.poll() is None:
        process.kill()
        process.wait(STOP_S)
    if process.stdout is not None:
        process.stdout.close()


def _read(process: subprocess.Popen[str], printed: list[str], ready: threading.Event) -> None:
    if process.stdout is None:
        return
    with contextlib.suppress(ValueError):  # closed by stop()
        for line in process.stdout:
            printed.append(line)
            if line.startswith("iotronic-mec ready"):
                ready.set()
