"""The codec of the private sockets: what goes in comes out, and nothing else gets in."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotronic_mec import frames
from iotronic_mec.frames import FrameError, Unpacker

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc"), inner, max_size=4),
    max_leaves=4,
)
MESSAGES = st.lists(st.dictionaries(st.text("abc"), PLAIN, max_size=4), max_size=5)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give two connected sockets."""
    left, right = socket.socketpair()
    left.settimeout(5)
    right.settimeout(5)
    yield left, right
    left.close()
    right.close()


@settings(max_examples=40)
@given(messages=MESSAGES, data=st.data())
def test_any_cut(messages: list[dict[str, Any]], data: st.DataObject) -> None:
    """However the bytes are cut on their way, the messages come out as they went in."""
    stream = b"".join(map(frames.pack, messages))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    edges = [0, *cuts, len(stream)]
    unpacker = Unpacker()

    found = [
        message for start, end in pairwise(edges) for message in unpacker.feed(stream[start:end])
    ]

    assert found == messages


@given(st.binary(max_size=64))
def test_any_bytes(body: bytes) -> None:
    """Bytes of whatever kind are a map or the one error, never another one."""
    try:
        found: Any = frames.unpack_body(body)
    except FrameError:
        found = {}

    assert isinstance(found, dict)


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x01", b"\x80\x80", b"\x81\x90\x01", b"\x91"])
def test_no_map(body: bytes) -> None:
    """What is no map, cut short, followed by more or keyed by a list is refused."""
    with pytest.raises(FrameError):
        frames.unpack_body(body)


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, object(), "\ud800", {1, 2}])
def test_what_cannot_be_packed(value: object) -> None:
    """What MessagePack cannot hold is the one error too."""
    with pytest.raises(FrameError):
        frames.pack({"value": value})


def test_too_large_to_send() -> None:
    """A frame over the limit is not made."""
    with pytest.raises(FrameError):
        frames.pack({"b": bytes(frames.MAX_FRAME_BYTES)})


def test_largest_piece_fits() -> None:
    """A piece of a body of the largest size fits a frame."""
    packed = frames.pack({"t": "body", "b": bytes(frames.BODY_PIECE_BYTES), "last": True})

    assert len(packed) < frames.MAX_FRAME_BYTES


def test_too_large_to_read(pair: tuple[socket.socket, socket.socket]) -> None:
    """A length over the limit is refused before anything is kept, both ways of reading."""
    head = struct.pack(">I", frames.MAX_FRAME_BYTES + 1)
    pair[0].sendall(head)

    with pytest.raises(FrameError):
        frames.Reader(pair[1]).read()
    with pytest.raises(FrameError):
        Unpacker().feed(head)


def test_reader(pair: tuple[socket.socket, socket.socket]) -> None:
    """A reader gives the frames that came together one by one, however large; then the end."""
    large = {"b": bytes(3 * frames.RECEIVE_BYTES)}
    frames.write_frame(pair[0], {"n": 1})
    frames.write_frame(pair[0], {"n": 2})
    reader = frames.Reader(pair[1])
    first, second = reader.read(), reader.read()
    sender = threading.Thread(target=frames.write_frame, args=(pair[0], large))
    sender.start()

    third = reader.read()

    sender.join(5)
    pair[0].close()
    assert (first, second, third, reader.read()) == ({"n": 1}, {"n": 2}, large, None)


@pytest.mark.parametrize("length", range(1, 8))
def test_cut_short(pair: tuple[socket.socket, socket.socket], length: int) -> None:
    """A link that ends inside a frame is an error, wherever it ends."""
    pair[0].sendall(frames.pack({"abcdef": 1})[:length])
    pair[0].close()

    with pytest.raises(FrameError):
        frames.Reader(pair[1]).read()
