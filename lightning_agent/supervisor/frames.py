"""The codec of the supervisor's socket: 4 bytes of length, then one msgpack map.

Both ends use it: :mod:`lightning_agent.supervisor.server` and every client.  The format is that of
the cloud's own sockets; only the size limit differs.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping

import msgpack

from lightning_agent.errors import BadRequest, SupervisorUnavailable

MAX_FRAME_BYTES = 4 * 1024 * 1024
"""Bytes of one frame without its length.  Chosen here: a result of 1 MiB of JSON may become
2.25 MiB of msgpack (``0.5,`` is 4 bytes of JSON and 9 of msgpack) and travels with its logs."""

_HEADER = struct.Struct(">I")


def pack(message: Mapping[str, object]) -> bytes:
    """Return ``message`` as one frame.

    :raises BadRequest: it holds what msgpack cannot carry, or is larger than a frame
    """
    try:
        body: bytes = msgpack.packb(message, use_bin_type=True)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BadRequest(f"not a message: {error}") from error
    if len(body) > MAX_FRAME_BYTES:
        raise BadRequest(f"a frame of {len(body)} bytes exceeds {MAX_FRAME_BYTES}")
    return _HEADER.pack(len(body)) + body


def unpack(body: bytes) -> dict[str, object]:
    """Return the map in ``body``.

    :raises BadRequest: it is not one msgpack map with text keys
    """
    try:
        message = msgpack.unpackb(body, raw=False, strict_map_key=True)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"not msgpack: {error}") from error
    if not isinstance(message, dict) or not all(isinstance(key, str) for key in message):
        raise BadRequest("a frame must hold a map with text keys")
    return message


class Unpacker:
    """Cuts a byte stream into messages, whatever pieces it arrives in.

    >>> unpacker = Unpacker()
    >>> frame = pack({"id": 1})
    >>> unpacker.feed(frame[:3]), unpacker.feed(frame[3:])
    ([], [{'id': 1}])
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, received: bytes) -> list[dict[str, object]]:
        """Return the messages that ``received`` completes, in order.

        :raises BadRequest: a frame is too large or is not a map; the stream is unusable then
        """
        self._buffer += received
        messages = []
        while len(self._buffer) >= _HEADER.size:
            (length,) = _HEADER.unpack_from(self._buffer)
            if length > MAX_FRAME_BYTES:
                raise BadRequest(f"a frame of {length} bytes exceeds {MAX_FRAME_BYTES}")
            end = _HEADER.size + length
            if len(self._buffer) < end:
                break
            messages.append(unpack(bytes(self._buffer[_HEADER.size : end])))
            del self._buffer[:end]
        return messages


def read_frame(connection: socket.socket) -> dict[str, object]:
    """Read one message; blocks up to the time limit set on ``connection``.

    :raises SupervisorUnavailable: the peer closed the connection
    :raises TimeoutError: nothing came within the limit
    """
    (length,) = _HEADER.unpack(_read_exactly(connection, _HEADER.size))
    if length > MAX_FRAME_BYTES:
        raise BadRequest(f"a frame of {length} bytes exceeds {MAX_FRAME_BYTES}")
    return unpack(_read_exactly(connection, length))


def write_frame(connection: socket.socket, message: Mapping[str, object]) -> None:
    """Write one message; blocks up to the time limit set on ``connection``."""
    connection.sendall(pack(message))


def _read_exactly(connection: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        piece = connection.recv(min(65536, length - len(received)))
        if not piece:
            raise SupervisorUnavailable("the supervisor closed the connection")
        received += piece
    return bytes(received)
