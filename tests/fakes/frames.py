"""Reading a socket of the cloud frame by frame, nothing beyond the frame."""

from __future__ import annotations

import socket
import struct
from typing import Any

from iotronic_mec import frames


def read_frame(connection: socket.socket) -> dict[str, Any] | None:
    """Return the next frame, ``None`` at the end; what follows stays in the socket."""
    head = _exactly(connection, 4)
    if len(head) < 4:
        return None
    (length,) = struct.unpack(">I", head)
    return frames.unpack_body(_exactly(connection, length))


def _exactly(connection: socket.socket, length: int) -> bytes:
    pieces = b""
    while len(pieces) < length and (more := connection.recv(length - len(pieces))):
        pieces += more
    return pieces
