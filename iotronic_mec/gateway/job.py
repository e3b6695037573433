"""One request on its way to the core, and who gets the answer. Reactor thread only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Protocol

from twisted.internet.base import DelayedCall

from iotronic_mec import errors, event_stream, frames


class Flow(Protocol):
    """What can be held up: the connection an answer comes by."""

    def pause(self) -> None:
        """Read no more for now."""

    def resume(self) -> None:
        """Read on."""


class Asker(Protocol):
    """Who gets the answer to a request."""

    def response(self, status: int, headers: list[list[str]], data: bytes, last: bool) -> None:
        """Take the head of the answer and the first piece of its body."""

    def piece(self, data: bytes, last: bool) -> None:
        """Take another piece of the body."""

    def failed(self, error: errors.Error) -> None:
        """Take note that there will be no answer, or no more of it."""


class Job:
    """One request on its way.

    :param environ: its WSGI keys
    :param body: where its body is read from, ``length`` bytes
    """

    __slots__ = ("asker", "body", "connection", "environ", "length", "number", "reads", "timer")

    def __init__(
        self, asker: Asker, environ: dict[str, str], body: BinaryIO | None, length: int
    ) -> None:
        self.asker: Asker | None = asker
        self.environ = environ
        self.body = body
        self.length = length
        self.reads = _only_reads(environ)
        self.number = 0
        self.connection: Flow | None = None
        self.timer: DelayedCall | None = None

    def abandon(self) -> None:
        """Want no answer any more; one under way is read and dropped."""
        self.asker = None
        if self.connection is not None:
            self.connection.resume()

    def pause(self) -> None:
        """Read no more of the answer for now: the client is slow."""
        if self.connection is not None:
            self.connection.pause()

    def resume(self) -> None:
        """Read on."""
        if self.connection is not None:
            self.connection.resume()


def _only_reads(environ: dict[str, str]) -> bool:
    """Say whether a request only computes at the core: it is no order, and asks no board."""
    if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
        return False
    path = environ.get("PATH_INFO", "").removesuffix("/").removesuffix(event_stream.EVENTS)
    return event_stream.LOG.fullmatch(path) is None


class Core(Protocol):
    """Whatever carries requests to the core: its socket, or the message bus."""

    def submit(self, job: Job) -> None:
        """Have a request answered; its asker is told, in any case."""


class Sender:
    """Gives a long body to the transport piece by piece, as it takes them."""

    def __init__(
        self,
        transport: Any,
        body: BinaryIO,
        pieces: Iterator[bytes],
        sent: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._body = body
        self._pieces = pieces
        self._sent = sent

    def resumeProducing(self) -> None:
        """Give the next piece; called by the transport."""
        piece = next(self._pieces, None)
        if piece is None:
            self._body.close()
            self._sent()
        else:
            self._transport.write(piece)

    def stopProducing(self) -> None:
        """Give no more; called by the transport."""
        self._body.close()
        self._pieces = iter(())


def pieces(body: BinaryIO, length: int) -> Iterator[bytes]:
    """Yield the body as packed frames."""
    left = length
    while left > 0:
        piece = body.read(min(left, frames.BODY_PIECE_BYTES))
        left = left - len(piece) if piece else 0
        yield frames.pack({"t": "body", "b": piece, "last": left == 0})
