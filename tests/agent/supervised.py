"""A real supervisor in a state directory of its own, as tests use it."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import sys
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_agent.supervisor.client import SupervisorClient, connect, launch

START_TIMEOUT_S = 20.0
"""Seconds a supervisor may take until it listens, on a busy machine."""


class Supervised:
    """One supervisor process and a client of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state_dir = folder / "state"
        self.state_dir.mkdir(mode=0o700, exist_ok=True)
        self._numbers = itertools.count(1)
        self.start()

    def start(self) -> None:
        """Start the supervisor and connect to it."""
        self.process = launch(self.state_dir, log=self.folder / "supervisor.log")
        self.client = connect(self.state_dir, timeout_s=START_TIMEOUT_S)

    def connect(self) -> SupervisorClient:
        """Return a further connection."""
        return connect(self.state_dir, timeout_s=START_TIMEOUT_S)

    def kill(self) -> None:
        """Kill the supervisor as a crash would."""
        self.client.close()
        self.process.kill()
        self.process.wait(10)

    def close(self) -> None:
        """End the supervisor, kindly if it still lives."""
        if self.process.poll() is None:
            self.client.close()
            self.process.terminate()
            self.process.wait(15)
        self.client.close()

    def install(
        self, bundle: bytes, *, plugin: str | None = None, ending: str = "py"
    ) -> tuple[str, str]:
        """Install ``bundle`` and return its plugin and digest."""
        name = plugin or f"plugin-{next(self._numbers)}"
        digest = hashlib.sha256(bundle).hexdigest()
        path = self.folder / f"{digest}.{ending}"
        path.write_bytes(bundle)
        self.client.request("install", plugin=name, digest=digest, path=str(path), format=ending)
        return name, digest

    def run(
        self,
        source: str,
        *,
        deadline_s: float = 20.0,
        cameras: tuple[str, ...] = (),
        **parameters: object,
    ) -> Any:
        """Install ``source`` as a plugin, call it, and return its result."""
        answer = self.call(
            *self.install(source.encode()),
            parameters=parameters,
            deadline_s=deadline_s,
            cameras=cameras,
        )
        return answer["result"]

    def call(
        self,
        plugin: str,
        digest: str,
        *,
        parameters: Mapping[str, object] | None = None,
        deadline_s: float = 20.0,
        cameras: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        """Call an installed plugin and return the whole answer."""
        return self.client.request(
            "call",
            timeout_s=deadline_s + 10,
            plugin=plugin,
            digest=digest,
            parameters=dict(parameters or {}),
            deadline_s=deadline_s,
            operation="test",
            grants={"cameras": list(cameras)},
        )

    def start_plugin(self, source: str, **parameters: object) -> tuple[str, dict[str, Any]]:
        """Install ``source`` and start it; return its name and the answer."""
        plugin, digest = self.install(source.encode())
        answer = self.client.request(
            "start", plugin=plugin, digest=digest, parameters=parameters, operation="test"
        )
        return plugin, answer


def make_zip(files: Mapping[str, bytes]) -> bytes:
    """Return a zip archive of ``files``."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def is_alive(pid: int) -> bool:
    """Return whether ``pid`` is a process that has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in ("Z", "X")


def descendants(pid: int) -> set[int]:
    """Return all living processes below ``pid``."""
    found: set[int] = set()
    todo = [pid]
    while todo:
        children: set[int] = set()
        try:
            for task in Path(f"/proc/{todo.pop()}/task").glob("*/children"):
                children |= {int(word) for word in task.read_text(encoding="ascii").split()}
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended meanwhile
        todo += children - found
        found |= children
    return {child for child in found if is_alive(child)}


def settled(supervised: Supervised) -> set[int]:
    """Return the processes below a supervisor once they stay the same.

    A warm sandbox makes a fork ahead after each call, and loads what calls use.
    """
    seen: set[int] = set()
    until, steady = time.monotonic() + 15, time.monotonic()
    while time.monotonic() < until:
        found = descendants(supervised.process.pid)
        if found != seen:
            seen, steady = found, time.monotonic()
        elif time.monotonic() - steady > 0.7:
            break
        time.sleep(0.05)
    return seen


def sandboxes(supervised: Supervised) -> set[int]:
    """Return the supervisor's own children that are no warm sandbox."""
    children = Path(f"/proc/{supervised.process.pid}/task/{supervised.process.pid}/children")
    found = {int(word) for word in children.read_text(encoding="ascii").split()}
    return found - set(supervised.client.request("warm", timeout_s=5)["pids"])


def python_environment() -> dict[str, str]:
    """Return an environment in which a child Python finds this checkout."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
