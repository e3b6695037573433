"""The camera interface, frames, and how frames travel to a plugin.

A camera process (:mod:`lightning_agent.camera.process`) serves any number of subscribers, each
over a connected stream socket of its own.  The subscriber sends one byte, :data:`REWIND` or
:data:`NEXT`; to ``NEXT`` the process answers 4 bytes of length, a JSON header, and the pixels.
Headers: ``{"name", "sequence", "time", "height", "width", "channels"}``, or ``{"end": true}``, or
``{"error": text}``.  Neither end trusts the other: sizes are bounded on both.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lightning_agent.errors import CameraUnavailable

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

MAX_FRAME_BYTES = 8 * 1024 * 1024
"""Bytes of the pixels of one frame: 3840 x 720 in colour, or 8 megapixels in grey."""

MAX_HEADER_BYTES = 4096
"""Bytes of a frame's header."""

READ_TIMEOUT_S = 30.0
"""Seconds a subscriber waits for a frame.  Chosen here: well above one frame of any source."""

REWIND = b"r"
"""Begin again with the first picture; not answered."""

NEXT = b"n"
"""Send the next frame."""

_HEADER = struct.Struct(">I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One picture of a camera.

    :param content: the pixels, row by row from the top left, ``height * width * channels`` bytes
    :param channels: 1 for grey, 3 for RGB
    :param name: what the source calls it, e.g. a file's name
    :param sequence: number of the frame since the source was opened, from 0
    :param time: when it was taken or read, s since the epoch, UTC
    """

    content: bytes
    height: int
    width: int
    channels: int
    name: str
    sequence: int
    time: float

    @property
    def pixels(self) -> NDArray[numpy.uint8]:
        """The pixels, read-only: (height, width) grey or (height, width, 3) RGB, uint8, 0..255."""
        import numpy  # the camera process has no need of numpy; extra: camera

        shape = (self.height, self.width, self.channels)
        view = numpy.frombuffer(self.content, dtype=numpy.uint8).reshape(shape)
        return view[:, :, 0] if self.channels == 1 else view


class Camera(Protocol):
    """A source of frames, used by one subscriber; no method is safe to call from two threads."""

    def rewind(self) -> None:
        """Begin again, where the source can; otherwise do nothing."""
        ...

    def read(self) -> Frame | None:
        """Return the next frame, or ``None`` when there are no more.

        :raises CameraUnavailable: the source cannot be read
        """
        ...

    def close(self) -> None:
        """Let the source go; nothing may be called afterwards."""
        ...


def send_header(connection: socket.socket, header: dict[str, object]) -> None:
    """Send ``header`` without pixels; blocks up to the time limit of ``connection``."""
    body = json.dumps(header).encode()
    connection.sendall(_HEADER.pack(len(body)) + body)


def send_frame(connection: socket.socket, frame: Frame) -> None:
    """Send ``frame``; blocks up to the time limit of ``connection``.

    :raises CameraUnavailable: it exceeds :data:`MAX_FRAME_BYTES`
    """
    if len(frame.content) > MAX_FRAME_BYTES:
        raise CameraUnavailable(f"frame {frame.name!r} has more than {MAX_FRAME_BYTES} bytes")
    send_header(
        connection,
        {
            "name": frame.name,
            "sequence": frame.sequence,
            "time": frame.time,
            "height": frame.height,
            "width": frame.width,
            "channels": frame.channels,
        },
    )
    connection.sendall(frame.content)


class Subscription:
    """A plugin's end of a camera; iterate over it to get frames.

    :param connection: the connected socket; its time limit is set here
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(READ_TIMEOUT_S)
        self._connection = connection

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self.read()) is not None:
            yield frame

    def rewind(self) -> None:
        """Begin again with the first frame, where the source can."""
        self._send(REWIND)

    def read(self) -> Frame | None:
        """Return the next frame, or ``None`` when there are no more.

        :raises CameraUnavailable: the camera process ended, or gave no frame within
            :data:`READ_TIMEOUT_S`, or says that its source cannot be read
        """
        self._send(NEXT)
        (length,) = _HEADER.unpack(self._receive(_HEADER.size))
        if length > MAX_HEADER_BYTES:
            raise CameraUnavailable("the camera sent a header that is too large")
        header = json.loads(self._receive(length))
        if "error" in header:
            raise CameraUnavailable(str(header["error"]))
        if header.get("end"):
            return None
        size_bytes = header["height"] * header["width"] * header["channels"]
        if not 0 < size_bytes <= MAX_FRAME_BYTES:
            raise CameraUnavailable("the camera sent a frame that is too large")
        return Frame(content=self._receive(size_bytes), **header)

    def _send(self, request: bytes) -> None:
        try:
            self._connection.sendall(request)
        except OSError as error:
            raise CameraUnavailable("the camera's process ended") from error

    def _receive(self, length: int) -> bytes:
        received = bytearray()
        while len(received) < length:
            try:
                piece = self._connection.recv(length - len(received))
            except TimeoutError as error:
                raise CameraUnavailable(f"no frame within {READ_TIMEOUT_S:.0f} s") from error
            except OSError as error:
                raise CameraUnavailable("the camera's process ended") from error
            if not piece:
                raise CameraUnavailable("the camera's process ended")
            received += piece
        return bytes(received)
