"""The core's end of the API's socket: bodies in pieces, answers in pieces."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotronic_mec import frames
from iotronic_mec.api.hop import BodyReader, HopServer
from tests.fakes.frames import read_frame


class Pieces:
    """An answer in pieces that notes whether it was closed."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)

    def close(self) -> None:
        """Note it."""
        self.closed += 1


class Application:
    """A WSGI application that answers as told and keeps what it read."""

    def __init__(self) -> None:
        self.environ: dict[str, Any] = {}
        self.read: bytes | None = None
        self.reads = -1
        self.answer: Iterable[bytes] = [b"ok"]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.environ = environ
        self.read = environ["wsgi.input"].read(self.reads)
        start_response("201 Created", [("X-A", "b")])
        return self.answer


@pytest.fixture
def application() -> Application:
    """Give the application served."""
    return Application()


@pytest.fixture
def front(tmp_path: Path, application: Application) -> Iterator[socket.socket]:
    """Give the front's end of a connection."""
    server = HopServer(tmp_path / "api.sock", application)
    server.start()
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(5)
    made.connect(str(tmp_path / "api.sock"))
    yield made
    made.close()
    server.stop()


def ask(front: socket.socket, *pieces: bytes, **environ: str) -> None:
    """Send a request with its body in these pieces."""
    length = sum(map(len, pieces))
    frames.write_frame(front, {"t": "request", "environ": environ, "length": length})
    for at, piece in enumerate(pieces, start=1):
        frames.write_frame(front, {"t": "body", "b": piece, "last": at == len(pieces)})


def answer(front: socket.socket) -> list[dict[str, Any]]:
    """Read the frames of one answer."""
    found: list[dict[str, Any]] = []
    while not found or not found[-1]["last"]:
        frame = read_frame(front)
        assert frame is not None
        found.append(frame)
    return found


def test_request(front: socket.socket, application: Application) -> None:
    """The application gets environ and body; the front gets status, headers, answer."""
    ask(front, b"ab", b"c", REQUEST_METHOD="POST")

    (found,) = answer(front)

    assert found == {
        "t": "response",
        "status": 201,
        "headers": [["X-A", "b"]],
        "b": b"ok",
        "last": True,
    }
    assert application.read == b"abc"
    assert application.environ["REQUEST_METHOD"] == "POST"


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ((), [b""]),
        ((b"",), [b""]),
        ((b"a", b"", b"b"), [b"a", b"b"]),
        ((b"x" * (frames.BODY_PIECE_BYTES + 1),), [b"x" * frames.BODY_PIECE_BYTES, b"x"]),
    ],
    ids=["none", "empty", "gap", "large"],
)
def test_answers(
    front: socket.socket,
    application: Application,
    pieces: tuple[bytes, ...],
    expected: list[bytes],
) -> None:
    """Whatever pieces an answer has, frames hold it whole, and it is closed."""
    application.answer = made = Pieces(*pieces)
    ask(front)

    found = answer(front)

    assert [frame["b"] for frame in found] == expected
    assert [frame["t"] for frame in found] == ["response"] + ["body"] * (len(expected) - 1)
    ask(front)
    answer(front)
    assert made.closed >= 1


def test_unread_body(front: socket.socket, application: Application) -> None:
    """What the application leaves of a body does not reach the next request."""
    application.reads = 1
    ask(front, b"abc", b"def")
    answer(front)

    ask(front, b"xyz")

    answer(front)
    assert application.read == b"x"


def test_empty_piece_ends_nothing(front: socket.socket, application: Application) -> None:
    """An empty piece on the way is not the body's end."""
    ask(front, b"ab", b"", b"cd")

    answer(front)

    assert application.read == b"abcd"


@pytest.mark.parametrize(
    "frame",
    [
        {"t": "body", "b": b"", "last": True},
        {"t": "body", "b": b"too long", "last": True},
        {"t": "body", "b": b"a", "last": True},
        {"t": "request"},
    ],
)
def test_wrong_body(front: socket.socket, frame: dict[str, Any]) -> None:
    """A body of another length than announced, or none, ends the connection."""
    frames.write_frame(front, {"t": "request", "environ": {}, "length": 3})
    frames.write_frame(front, frame)

    assert read_frame(front) is None


def test_no_request(front: socket.socket) -> None:
    """A connection that does not begin with a request is ended."""
    frames.write_frame(front, {"t": "body", "b": b"", "last": True})

    assert read_frame(front) is None


def test_socket_is_private(front: socket.socket, tmp_path: Path) -> None:
    """Nobody but the owner may use the socket."""
    assert os.stat(tmp_path / "api.sock").st_mode & 0o777 == 0o600


@settings(max_examples=40)
@given(
    pieces=st.lists(st.binary(max_size=6), min_size=1, max_size=5),
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=5),
)
def test_reader(pieces: list[bytes], sizes: list[int]) -> None:
    """However a body is cut and read, its bytes come in order and then its end."""
    here, there = socket.socketpair()
    for piece in pieces:
        frames.write_frame(there, {"t": "body", "b": piece, "last": False})
    whole = b"".join(pieces)
    reader = BodyReader(frames.Reader(here), len(whole))

    found = b"".join(reader.read(size) or b"" for size in sizes) + reader.readall()

    here.close()
    there.close()
    assert found == whole
