"""The API's end of ``DIR/api.sock``: frames in, WSGI, frames out.

The front process keeps a fixed number of connections; each has its own thread
here, which reads a request, runs the WSGI application and writes the answer.
No request crosses from one thread to another, and no more requests run at
once than there are connections.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, cast

from iotronic_mec import frames

LOG = logging.getLogger(__name__)

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class BodyReader(io.RawIOBase):
    """The request's body as a file; reads further frames as it is read.

    :param reader: where the frames come from
    :param length: bytes of the whole body
    """

    def __init__(self, reader: frames.Reader, length: int) -> None:
        self._reader = reader
        self._left = length
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what has come, at least one byte before the end."""
        while not self._piece and self._left:
            self._piece = memoryview(self._next())
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def drain(self) -> None:
        """Read and forget what the application left."""
        while self._left:
            self._next()

    def _next(self) -> bytes:
        frame = self._reader.read()
        if frame is None or frame.get("t") != "body":
            raise frames.FrameError("the link closed inside a request's body")
        piece = cast(bytes, frame.get("b") or b"")
        self._left -= len(piece)
        if self._left < 0 or (frame.get("last") and self._left):
            raise frames.FrameError("a body of another length than announced")
        return piece


class HopServer:
    """Serves a WSGI application on a Unix socket of the front process.

    :param path: of the socket, in a folder of mode 0700
    :param application: the WSGI application
    """

    def __init__(self, path: Path, application: Application) -> None:
        self._path = path
        self._application = application
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Listen and accept in a thread of its own."""
        self._path.unlink(missing_ok=True)
        self._listener.bind(str(self._path))
        os.chmod(self._path, 0o600)
        self._listener.listen(64)
        threading.Thread(target=self._accept, name="hop-accept", daemon=True).start()

    def stop(self) -> None:
        """Close everything."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            connections, self._connections = self._connections, set()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.add(connection)
            threading.Thread(
                target=self._serve, args=(connection,), name="api", daemon=True
            ).start()

    def _serve(self, connection: socket.socket) -> None:
        reader = frames.Reader(connection)
        try:
            while (frame := reader.read()) is not None:
                self._handle(connection, reader, frame)
        except (OSError, frames.FrameError) as error:
            LOG.info("a hop from the front ended: %s", error)
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _handle(
        self, connection: socket.socket, reader: frames.Reader, frame: dict[str, Any]
    ) -> None:
        if frame.get("t") != "request":
            raise frames.FrameError("a request is expected")
        length = int(frame.get("length") or 0)
        body = BodyReader(reader, length)
        environ: dict[str, Any] = dict(frame.get("environ") or {})
        environ |= {
            "wsgi.version": (1, 0),
            "wsgi.input": io.BufferedReader(body, min(length, 65_536)) if length else io.BytesIO(),
            "wsgi.errors": cast(IO[str], sys.stderr),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }
        head: list[Any] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], object]:
            del exc_info  # nothing is sent before the application returns
            head[:] = [int(status.split(" ", 1)[0]), [list(pair) for pair in headers]]
            return _no_write

        pieces = self._application(environ, start_response)
        try:
            _answer(connection, head, pieces)
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()
        body.drain()


def _answer(connection: socket.socket, head: list[Any], pieces: Iterable[bytes]) -> None:
    """Send the answer, one piece behind, so that the last one is known."""
    waiting: bytes | None = None
    first = True
    for piece in _cut(pieces):
        if waiting is not None:
            _send(connection, head if first else None, waiting, last=False)
            first = False
        waiting = piece
    _send(connection, head if first else None, waiting or b"", last=True)


def _send(connection: socket.socket, head: list[Any] | None, piece: bytes, *, last: bool) -> None:
    frame: dict[str, Any] = {"t": "body", "b": piece, "last": last}
    if head is not None:
        frame |= {"t": "response", "status": head[0], "headers": head[1]}
    frames.write_frame(connection, frame)


def _cut(pieces: Iterable[bytes]) -> Iterable[bytes]:
    for piece in pieces:
        for at in range(0, len(piece), frames.BODY_PIECE_BYTES):
            yield piece[at : at + frames.BODY_PIECE_BYTES]


def _no_write(_piece: bytes) -> object:
    raise TypeError("the write callable of WSGI is not offered; return an iterable")
