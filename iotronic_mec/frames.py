"""The one codec of the private Unix sockets: length-prefixed MessagePack.

A frame is a 4-byte big-endian length and one MessagePack map. Used on
``DIR/rpc.sock`` and ``DIR/api.sock``. Both ends are ours and the folder is
mode 0700; lengths are bounded all the same.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

import msgpack

MAX_FRAME_BYTES = 1_048_576
"""Largest frame, bytes. Chosen here: bulk travels as blobs, never in a frame."""

BODY_PIECE_BYTES = 262_144
"""Largest piece of a request or answer body in one frame, bytes."""

RECEIVE_BYTES = 65_536
"""Most bytes taken from a socket at once."""

_LENGTH = struct.Struct(">I")


class FrameError(Exception):
    """The other end sent no frame, or one out of bounds; the link is unusable."""


def pack(message: dict[str, Any]) -> bytes:
    """Encode one message with its length in front.

    :raises FrameError: when it is over :data:`MAX_FRAME_BYTES`, or holds what
        MessagePack cannot (integers over 64 bits, broken text, other types)
    """
    try:
        body: bytes = msgpack.packb(message, use_bin_type=True)
    except (OverflowError, TypeError, ValueError) as error:
        raise FrameError(f"no MessagePack: {error}") from error
    if len(body) > MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {len(body)} bytes is over {MAX_FRAME_BYTES}")
    return _LENGTH.pack(len(body)) + body


def unpack_body(body: bytes) -> dict[str, Any]:
    """Decode the part of a frame after its length.

    :raises FrameError: when it is no MessagePack map
    """
    try:
        message = msgpack.unpackb(body, raw=False, strict_map_key=False)
    except (ValueError, TypeError, OverflowError, msgpack.exceptions.ExtraData) as error:
        raise FrameError("not MessagePack") from error
    if not isinstance(message, dict):
        raise FrameError("a frame holds a map")
    return message


class Unpacker:
    """Collects bytes and gives back whole messages; for callers with a loop."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, received: bytes) -> list[dict[str, Any]]:
        """Add bytes and return the messages now complete.

        :raises FrameError: on a length out of bounds or a body that is no map
        """
        buffer = self._buffer
        buffer += received
        messages = []
        at = 0
        while len(buffer) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, at)
            if length > MAX_FRAME_BYTES:
                raise FrameError(f"a frame of {length} bytes is over {MAX_FRAME_BYTES}")
            end = at + _LENGTH.size + length
            if len(buffer) < end:
                break
            messages.append(unpack_body(bytes(buffer[at + _LENGTH.size : end])))
            at = end
        del buffer[:at]
        return messages


class Reader:
    """Reads frames from a blocking socket, as many bytes at once as there are.

    One thread at a time. A request with its body is one system call instead of
    four, and each system call lets another thread have the interpreter.

    :param connection: a connected socket; nobody else may read from it
    """

    __slots__ = ("_buffer", "_connection")

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    def read(self) -> dict[str, Any] | None:
        """Return the next frame; ``None`` when the other end has closed.

        Blocks up to the socket's own time-out.

        :raises FrameError: on a length out of bounds or a body cut short
        """
        buffer = self._buffer
        while True:
            if len(buffer) >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(buffer)
                if length > MAX_FRAME_BYTES:
                    raise FrameError(f"a frame of {length} bytes is over {MAX_FRAME_BYTES}")
                end = _LENGTH.size + length
                if len(buffer) >= end:
                    self._buffer = buffer[end:]
                    return unpack_body(buffer[_LENGTH.size : end])
            more = self._connection.recv(RECEIVE_BYTES)
            if not more:
                if buffer:
                    raise FrameError("the link closed inside a frame")
                return None
            buffer = self._buffer = buffer + more


def write_frame(connection: socket.socket, message: dict[str, Any]) -> None:
    """Send one frame; blocks up to the socket's own time-out."""
    connection.sendall(pack(message))
