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


def read_frame(connection: socket.socket) -> dict[str, Any] | None:
    """Read one frame; ``None`` when the other end has closed.

    Blocks up to the socket's own time-out.

    :raises FrameError: on a length out of bounds or a body cut short
    """
    head = _read_exactly(connection, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {length} bytes is over {MAX_FRAME_BYTES}")
    body = _read_exactly(connection, length)
    if body is None:
        raise FrameError("the link closed inside a frame")
    return unpack_body(body)


def write_frame(connection: socket.socket, message: dict[str, Any]) -> None:
    """Send one frame; blocks up to the socket's own time-out."""
    connection.sendall(pack(message))


def _read_exactly(connection: socket.socket, length: int) -> bytes | None:
    received = connection.recv(length) if length else b""
    if len(received) == length:
        return received
    if not received:
        return None
    pieces = bytearray(received)
    while len(pieces) < length:
        more = connection.recv(length - len(pieces))
        if not more:
            raise FrameError("the link closed inside a frame")
        pieces += more
    return bytes(pieces)
