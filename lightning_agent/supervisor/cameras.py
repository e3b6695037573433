"""The cameras of the board: one process per camera in use, in a sandbox of its own.

Which cameras there are stands in the owner's ``agent.toml``; which of them a plugin gets stands in
the grants of its call.  Frames go from the camera's process straight to the plugin's sandbox over
a socket pair made here; the supervisor never reads one.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import subprocess
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from lightning_agent.camera.process import PICTURES_PATH
from lightning_agent.errors import CameraUnavailable
from lightning_agent.sandbox.launcher import Launcher, kill
from lightning_agent.sandbox.profile import AGENT_PATH, Bind, Profile
from lightning_agent.sandbox.runner import Exit, Listener, Loop, Timer

LOG = logging.getLogger(__name__)

CONFIGURATION_NAME = "agent.toml"
"""Name of the owner's local configuration in the state directory."""

IDLE_S = 30.0
"""Seconds a camera's process stays after its last subscriber; chosen here."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_START = (
    f"import sys; sys.path.insert(0, {AGENT_PATH!r}); "
    "from lightning_agent.camera.process import main; main(sys.argv[1:])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSettings:
    """One ``[camera.<name>]`` of the owner's configuration.

    :param source: ``"file"`` or ``"fake"``
    :param path: folder of pictures; needed for ``"file"``
    :param repeat: begin again after the last picture
    """

    source: str
    path: str | None = None
    repeat: bool = False


def read_settings(configuration: Path, name: str) -> CameraSettings:
    """Read the settings of camera ``name``.

    :raises CameraUnavailable: it is not configured, or not in a usable way; the message says what
        the owner has to write
    """
    try:
        content = tomllib.loads(configuration.read_text(encoding="utf-8"))
    except FileNotFoundError:
        content = {}
    except (OSError, ValueError) as error:
        text = f"the board's {CONFIGURATION_NAME} is unusable: {error}"
        raise CameraUnavailable(text) from error
    cameras = content.get("camera", {})
    found = cameras.get(name) if isinstance(cameras, dict) else None
    if not isinstance(found, dict):
        raise CameraUnavailable(
            f"camera {name!r} is not configured on this board; its owner adds [camera.{name}] "
            f"with source and path to {CONFIGURATION_NAME}"
        )
    return _settings(name, found)


def _settings(name: str, found: dict[str, object]) -> CameraSettings:
    source, path, repeat = found.get("source"), found.get("path"), found.get("repeat", False)
    if source not in ("file", "fake"):
        raise CameraUnavailable(f"camera {name!r}: source must be 'file'")
    if source == "file" and not (
        isinstance(path, str) and os.path.isabs(path) and os.path.isdir(path)
    ):
        raise CameraUnavailable(f"camera {name!r}: path must be an absolute path of a folder")
    return CameraSettings(
        source=str(source), path=str(path) if path is not None else None, repeat=repeat is True
    )


@dataclass(slots=True, kw_only=True)
class _CameraProcess:
    settings: CameraSettings
    process: subprocess.Popen[bytes]
    control: socket.socket
    pidfd: int
    users: int = 0
    idle: Timer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What one run gets of cameras: sockets to pass on, the map of its order, what to release."""

    sockets: tuple[socket.socket, ...]
    wire: dict[str, object]
    releases: tuple[Callable[[], None], ...]

    @property
    def placed(self) -> dict[str, object]:
        """The map with places among the sockets instead of numbers of descriptors."""
        numbers = [connection.fileno() for connection in self.sockets]
        return {
            name: numbers.index(found) if isinstance(found, int) else found
            for name, found in self.wire.items()
        }

    def held_by(self, listener: Listener) -> Listener:
        """Return a listener that releases the cameras when the run has ended."""

        def end(ended: Exit) -> None:
            for release in self.releases:
                release()
            listener.end(ended)

        return Listener(log=listener.log, answer=listener.answer, end=end)

    def close(self) -> None:
        """Close our ends of the sockets; the run has its own."""
        for connection in self.sockets:
            connection.close()


class Cameras:
    """Starts, shares and ends camera processes; loop's thread only.

    :param configuration: path of the owner's ``agent.toml``; read at every use
    """

    def __init__(self, loop: Loop, configuration: Path) -> None:
        self._loop = loop
        self._configuration = configuration
        self._processes: dict[str, _CameraProcess] = {}

    @property
    def pids(self) -> dict[str, int]:
        """The host's process ids of the cameras in use, by name."""
        return {name: running.process.pid for name, running in self._processes.items()}

    def subscribe(self, launcher: Launcher, name: str) -> tuple[socket.socket, Callable[[], None]]:
        """Return the plugin's end of a new subscription, and what to call when it is over.

        :raises CameraUnavailable: not configured, or its process cannot be started
        """
        if not _NAME.fullmatch(name):
            raise CameraUnavailable("a camera's name has 1 to 64 letters, digits, _ and -")
        settings = read_settings(self._configuration, name)
        running = self._processes.get(name)
        if running is not None and running.settings != settings:
            self._end(name, running)
            running = None
        if running is None:
            running = self._start(launcher, name, settings)
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(running.control, [b"s"], [theirs.fileno()])
        except OSError as error:
            ours.close()
            raise CameraUnavailable(f"the process of camera {name!r} ended") from error
        running.users += 1
        if running.idle is not None:
            running.idle.cancel()
        user = running
        return ours, lambda: self._release(name, user)

    def grant(self, launcher: Launcher, names: Iterable[str]) -> Granted:
        """Return what a run gets of these cameras; a reason stands for one it cannot have."""
        sockets: list[socket.socket] = []
        releases: list[Callable[[], None]] = []
        wire: dict[str, object] = {}
        for name in names:
            try:
                connection, release = self.subscribe(launcher, name)
            except CameraUnavailable as error:
                wire[name] = error.message
            else:
                sockets.append(connection)
                releases.append(release)
                wire[name] = connection.fileno()
        return Granted(sockets=tuple(sockets), wire=wire, releases=tuple(releases))

    def close(self) -> None:
        """End all camera processes."""
        for name, running in list(self._processes.items()):
            self._end(name, running)

    def _start(self, launcher: Launcher, name: str, settings: CameraSettings) -> _CameraProcess:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        wire = {"source": settings.source, "repeat": settings.repeat}
        binds = [Bind(source=settings.path, target=PICTURES_PATH)] if settings.path else []
        arguments = [str(theirs.fileno()), json.dumps(wire)]
        arguments.append(json.dumps(list(launcher.interpreter.packages)))
        try:
            process = launcher.start(
                Profile(owner=f"camera/{name}", binds=tuple(binds)),
                ["-c", _START, *arguments],
                descriptors=[theirs.fileno()],
            )
        except OSError as error:
            ours.close()
            raise CameraUnavailable(f"camera {name!r} cannot be started: {error}") from error
        finally:
            theirs.close()
        ours.settimeout(1.0)
        running = _CameraProcess(
            settings=settings, process=process, control=ours, pidfd=os.pidfd_open(process.pid)
        )
        self._processes[name] = running
        self._loop.watch(running.pidfd, lambda: self._reap(name, running))
        LOG.info("camera %s started as process %d", name, process.pid)
        return running

    def _release(self, name: str, running: _CameraProcess) -> None:
        running.users -= 1
        if running.users <= 0:
            running.idle = self._loop.later(IDLE_S, lambda: self._end(name, running))

    def _end(self, name: str, running: _CameraProcess) -> None:
        """Close the control socket, on which the process ends, and make sure of it."""
        if self._processes.get(name) is running:
            del self._processes[name]
        running.control.close()
        kill(running.process)

    def _reap(self, name: str, running: _CameraProcess) -> None:
        if running.process.poll() is None:
            return
        self._loop.unwatch(running.pidfd)
        os.close(running.pidfd)
        running.control.close()
        if self._processes.get(name) is running:
            del self._processes[name]
        LOG.info("camera %s ended", name)
