"""The camera process: owns one camera and serves its subscribers.

Started by the supervisor inside a sandbox of its own, since what it decodes is hostile.  It sees
its pictures at :data:`PICTURES_PATH` and nothing else of the board.  On its control socket it gets
one connected socket per subscriber; when the control socket closes, it ends.
"""

from __future__ import annotations

import json
import resource
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from lightning_agent.camera.base import NEXT, REWIND, Camera, send_frame, send_header
from lightning_agent.camera.fake import FakeCamera
from lightning_agent.errors import CameraUnavailable, Error

PICTURES_PATH = "/pictures"
"""Where the folder of source ``file`` is inside the sandbox, read-only."""

MAX_SUBSCRIBERS = 32
"""Subscribers served at a time; one more is told that the camera is busy."""

MEMORY_BYTES = 1024 * 1024 * 1024
"""Address space of the process, bytes."""

_SEND_TIMEOUT_S = 30.0
_IDLE_TIMEOUT_S = 24 * 3600.0


class CameraServer:
    """Serves subscribers of one camera, one thread each.

    :param control: datagram-like socket on which subscribers' sockets arrive
    :param open_camera: makes the camera for one subscriber; may raise :class:`Error`
    """

    def __init__(self, control: socket.socket, open_camera: Callable[[], Camera]) -> None:
        self._control = control
        self._open_camera = open_camera
        self._slots = threading.BoundedSemaphore(MAX_SUBSCRIBERS)

    def run(self) -> None:
        """Serve until the control socket closes; its wait is as long as the process lives."""
        while True:
            received, descriptors, _, _ = socket.recv_fds(self._control, 64, 1)
            for descriptor in descriptors:
                self._accept(socket.socket(fileno=descriptor))
            if not received:
                return

    def _accept(self, connection: socket.socket) -> None:
        if not self._slots.acquire(blocking=False):
            with connection:
                connection.settimeout(1.0)
                _refuse(connection, "the camera has no slot free")
            return
        thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
        thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(_SEND_TIMEOUT_S)
                serve_subscriber(connection, self._open_camera)
        finally:
            self._slots.release()


def serve_subscriber(connection: socket.socket, open_camera: Callable[[], Camera]) -> None:
    """Answer one subscriber until it closes, or does not take a frame in time."""
    try:
        camera = open_camera()
    except Error as error:
        _refuse(connection, error.message)
        return
    try:
        while _serve_request(connection, camera):
            pass
    except OSError:
        return  # the subscriber is gone
    finally:
        camera.close()


def _serve_request(connection: socket.socket, camera: Camera) -> bool:
    connection.settimeout(_IDLE_TIMEOUT_S)
    request = connection.recv(1)
    connection.settimeout(_SEND_TIMEOUT_S)
    if request == REWIND:
        camera.rewind()
    elif request == NEXT:
        try:
            frame = camera.read()
        except CameraUnavailable as error:
            send_header(connection, {"error": error.message})
            return True
        if frame is None:
            send_header(connection, {"end": True})
        else:
            send_frame(connection, frame)
    else:
        return False
    return True


def _refuse(connection: socket.socket, reason: str) -> None:
    """Answer the first request for a frame with ``reason``."""
    try:
        while (request := connection.recv(1)) and request != NEXT:
            pass
        send_header(connection, {"error": reason[:1000]})
    except OSError:
        return  # the subscriber is gone


def open_source(settings: dict[str, object]) -> Camera:
    """Open the camera that ``settings`` describe, e.g. ``{"source": "file", "repeat": false}``.

    :raises CameraUnavailable: unknown source, missing extra, or the source cannot be opened
    """
    source = settings.get("source")
    if source == "fake":
        return FakeCamera()
    if source != "file":
        raise CameraUnavailable(f"the camera's source {source!r} is not known")
    try:
        from lightning_agent.camera.file import FileCamera  # extra: camera
    except ImportError as error:
        cure = "pip install 'iotronic-mec[camera]'"
        raise CameraUnavailable(f"pictures cannot be decoded: {error}; {cure}") from error
    return FileCamera(Path(PICTURES_PATH), repeat=bool(settings.get("repeat", False)))


def main(arguments: list[str]) -> None:
    """Run the camera process.

    :param arguments: descriptor of the control socket, settings of the camera as JSON, package
        folders as JSON
    """
    control = socket.socket(fileno=int(arguments[0]))
    settings: dict[str, object] = json.loads(arguments[1])
    sys.path += json.loads(arguments[2])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    CameraServer(control, lambda: open_source(settings)).run()
