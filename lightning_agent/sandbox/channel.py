"""Length-prefixed JSON messages over the socket pair between supervisor and sandbox, both ends.

Everything that comes out of a sandbox is hostile: :class:`Decoder` bounds size and depth and
accepts only what JSON and msgpack can both carry.  There is no pickle.  Standard library only: the
inner end is imported inside the sandbox.

Messages out of the sandbox: ``{"t": "ready"}``, ``{"t": "log", "s": stream, "x": [lines]}``,
``{"t": "report", "v": value}``, ``{"t": "result", "v": value}``,
``{"t": "error", "code", "message", "type", "traceback"}``.
Into it: the order (see :mod:`lightning_agent.sandbox.child`) and ``{"t": "stop"}``.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Mapping
from typing import NoReturn

MAX_RESULT_BYTES = 1024 * 1024
"""Bytes of a plugin's result as JSON in UTF-8."""

MAX_MESSAGE_BYTES = MAX_RESULT_BYTES + 64 * 1024
"""Bytes of one message without its length: a result and its envelope."""

MAX_DEPTH = 64
"""Levels of lists and maps in one message.  Chosen here: the result travels on in other formats
whose readers recurse."""

_HEADER = struct.Struct(">I")
_INTEGERS = range(-(2**63), 2**64)


class MessageRefused(ValueError):
    """A message that is too large, too deep, or not what JSON and msgpack can both carry."""


class MessageTooLarge(MessageRefused):
    """A message, or its announced length, exceeds :data:`MAX_MESSAGE_BYTES`."""


def dump(value: object) -> bytes:
    """Return ``value`` as JSON in UTF-8.

    :raises MessageRefused: it is not JSON: a set, NaN, a lone surrogate, a loop, too deep
    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise MessageRefused(f"not JSON: {error}") from error


def encode(message: Mapping[str, object]) -> bytes:
    """Return ``message`` with its length in front.

    :raises MessageRefused: not JSON, or larger than :data:`MAX_MESSAGE_BYTES`
    """
    body = dump(message)
    if len(body) > MAX_MESSAGE_BYTES:
        raise MessageTooLarge(f"{len(body)} bytes exceed {MAX_MESSAGE_BYTES}")
    return _HEADER.pack(len(body)) + body


def _refuse_constant(name: str) -> NoReturn:
    raise MessageRefused(f"{name} is not JSON")


def check_value(value: object) -> None:
    """Check depth, integers and text of a parsed value.

    :raises MessageRefused: deeper than :data:`MAX_DEPTH`, an integer beyond 64 bits, or text that
        is not valid Unicode
    """
    level: list[object] = [value]
    for _ in range(MAX_DEPTH + 1):
        below: list[object] = []
        for item in level:
            if isinstance(item, dict):
                below += item.keys()
                below += item.values()
            elif isinstance(item, list | tuple):
                below += item
            else:
                _check_scalar(item)
        if not below:
            return
        level = below
    raise MessageRefused(f"nested deeper than {MAX_DEPTH} levels")


def _check_scalar(item: object) -> None:
    if isinstance(item, str):
        try:
            item.encode()
        except UnicodeEncodeError as error:
            raise MessageRefused("text that is not valid Unicode") from error
    elif isinstance(item, int) and item not in _INTEGERS:
        raise MessageRefused("an integer of more than 64 bits")


def decode(body: bytes) -> dict[str, object]:
    """Return the message in ``body``, checked.

    :raises MessageRefused: it is anything but a JSON object within the limits
    """
    try:
        message = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MessageRefused(f"not a message: {error}") from error
    if not isinstance(message, dict):
        raise MessageRefused("a message must be an object")
    check_value(message)
    return message


class Decoder:
    """Cuts a byte stream into checked messages.

    >>> decoder = Decoder()
    >>> decoder.feed(encode({"t": "ready"}))
    [{'t': 'ready'}]
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, received: bytes) -> list[dict[str, object]]:
        """Return the messages that ``received`` completes, in order.

        :raises MessageRefused: the stream is unusable from here on
        """
        self._buffer += received
        messages = []
        while len(self._buffer) >= _HEADER.size:
            (length,) = _HEADER.unpack_from(self._buffer)
            if length > MAX_MESSAGE_BYTES:
                raise MessageTooLarge(f"{length} bytes exceed {MAX_MESSAGE_BYTES}")
            end = _HEADER.size + length
            if len(self._buffer) < end:
                break
            messages.append(decode(bytes(self._buffer[_HEADER.size : end])))
            del self._buffer[:end]
        return messages


class Channel:
    """The blocking end inside the sandbox; any thread may send, one thread receives."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def use(self, connection: socket.socket) -> None:
        """Go over to another connection: a fork has one of its own."""
        self._connection = connection

    def send(self, message: Mapping[str, object]) -> None:
        """Send ``message``; blocks until the supervisor has taken it.

        The limit of this wait is the deadline of the run, which the supervisor enforces.
        """
        frame = encode(message)
        with self._lock:
            self._connection.sendall(frame)

    def receive(self) -> dict[str, object] | None:
        """Wait for the next message; ``None`` when the supervisor closed the channel."""
        header = self._read_exactly(_HEADER.size)
        if header is None:
            return None
        body = self._read_exactly(_HEADER.unpack(header)[0])
        return None if body is None else decode(body)

    def _read_exactly(self, length: int) -> bytes | None:
        received = bytearray()
        while len(received) < length:
            piece = self._connection.recv(length - len(received))
            if not piece:
                return None
            received += piece
        return bytes(received)
