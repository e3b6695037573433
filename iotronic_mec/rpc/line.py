"""A connection for the calls of one thread at a time: ask, and read the answer oneself.

On a shared link the answer is read by the link's thread and handed to the one
that waits, which costs a switch of threads in each call to a board. The other
side offers some lines beside its link; when all are in use, the link serves.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from typing import Any

from iotronic_mec import errors, frames


class Line:
    """One line; whoever holds it is alone with it.

    :param connection: a connected Unix socket
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = frames.Reader(connection)

    def ask(self, order: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Send a call and return the frame that answers it.

        Blocks up to ``timeout_s``. After an error but ``TooLarge`` the line
        is unusable, since the answer may come later: close it.

        :raises errors.DeadlineExceeded: no answer in time
        :raises errors.Unavailable: the line broke
        :raises errors.TooLarge: no frame can hold the call
        """
        try:
            packed = frames.pack(order)
        except frames.FrameError as error:
            raise errors.TooLarge(str(error)) from error
        end = time.monotonic() + timeout_s
        try:
            self._connection.sendall(packed)
            while True:
                self._limit(end - time.monotonic())
                answer = self._reader.read()
                if answer is None:
                    raise errors.Unavailable("the other process closed the line")
                if answer.get("id") == order["id"]:
                    return answer
        except BlockingIOError as error:
            raise errors.DeadlineExceeded(f"no answer within {timeout_s:.1f} s") from error
        except (OSError, frames.FrameError) as error:
            raise errors.Unavailable("the other process has closed the line") from error

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _limit(self, left_s: float) -> None:
        """Let reading wait at most so long; by the kernel, without a poll before it."""
        left_us = max(1, int(left_s * 1_000_000))
        packed = struct.pack("@ll", *divmod(left_us, 1_000_000))
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, packed)
