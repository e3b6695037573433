"""The channel and the frames: any bytes in, checked messages or a refusal out."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_agent.errors import BadRequest, SupervisorUnavailable
from lightning_agent.sandbox import channel
from lightning_agent.sandbox.channel import Channel, Decoder, MessageRefused, MessageTooLarge
from lightning_agent.supervisor import frames

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
MESSAGES = st.dictionaries(
    st.text(),
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    ),
    max_size=5,
)


def _cut(stream: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(stream[:size])
        stream = stream[size:]
    return [*pieces, stream]


@settings(max_examples=25, deadline=None)
@given(st.lists(MESSAGES, max_size=4), st.lists(st.integers(1, 50), max_size=20))
def test_messages_survive_any_cutting(messages: list[dict[str, object]], sizes: list[int]) -> None:
    """Whatever pieces the stream comes in, the same messages come out."""
    stream = b"".join(map(channel.encode, messages))
    decoder = Decoder()

    found = [message for piece in _cut(stream, sizes) for message in decoder.feed(piece)]

    assert found == messages


@settings(max_examples=25, deadline=None)
@given(st.lists(MESSAGES, max_size=4), st.lists(st.integers(1, 50), max_size=20))
def test_frames_survive_any_cutting(messages: list[dict[str, object]], sizes: list[int]) -> None:
    """The supervisor's frames are cut and joined likewise."""
    stream = b"".join(map(frames.pack, messages))
    unpacker = frames.Unpacker()

    found = [message for piece in _cut(stream, sizes) for message in unpacker.feed(piece)]

    assert found == messages


@given(st.binary(max_size=300))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    """Hostile bytes raise nothing but the refusal."""
    for stream in (body, struct.pack(">I", len(body)) + body):
        try:
            messages = Decoder().feed(stream)
        except MessageRefused:
            continue
        assert all(isinstance(message, dict) for message in messages)


@given(st.binary(max_size=300))
def test_any_bytes_are_unpacked_or_refused(body: bytes) -> None:
    """Hostile bytes on the supervisor's socket raise nothing but the refusal."""
    for stream in (body, struct.pack(">I", len(body)) + body):
        try:
            messages = frames.Unpacker().feed(stream)
        except BadRequest:
            continue
        assert all(isinstance(message, dict) for message in messages)


def _nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [_nested(65), {"a": _nested(65)}, 2**64, -(2**63) - 1, "\ud800", {"\ud800": 1}],
    ids=["deep", "deeper", "large", "small", "surrogate", "surrogate key"],
)
def test_values_that_cannot_travel_are_refused(value: object) -> None:
    """Depth, integers and text are checked."""
    with pytest.raises(MessageRefused):
        channel.check_value(value)


@pytest.mark.parametrize("value", [_nested(64), 2**64 - 1, -(2**63), "é😀", {"é": [True, None]}])
def test_values_at_the_limits_are_accepted(value: object) -> None:
    """The limits themselves are allowed."""
    channel.check_value(value)


@pytest.mark.parametrize(
    "body",
    [b"[1]", b"NaN", b'{"a": NaN}', b'{"a": Infinity}', b'{"a"', b"\xff", b"[" * 100_000, b""],
)
def test_what_is_no_object_is_refused(body: bytes) -> None:
    """Only a JSON object of JSON values is a message."""
    with pytest.raises(MessageRefused):
        channel.decode(body)


def test_an_announced_length_is_checked_before_waiting_for_it() -> None:
    """A length over the limit is refused at once, on either codec."""
    with pytest.raises(MessageTooLarge):
        Decoder().feed(struct.pack(">I", channel.MAX_MESSAGE_BYTES + 1))
    with pytest.raises(BadRequest):
        frames.Unpacker().feed(struct.pack(">I", frames.MAX_FRAME_BYTES + 1))


def test_what_is_too_large_is_not_sent() -> None:
    """The sender finds out itself that a message is too large."""
    large = {"x": "x" * frames.MAX_FRAME_BYTES}

    with pytest.raises(MessageTooLarge):
        channel.encode(large)
    with pytest.raises(BadRequest):
        frames.pack(large)


def test_the_inner_end_sends_and_receives() -> None:
    """The blocking end exchanges messages, and sees the other end close."""
    ours, theirs = socket.socketpair()
    with theirs:
        inner = Channel(theirs)
        with ours:
            ours.sendall(channel.encode({"t": "stop"}))
            inner.send({"t": "ready"})

            received = inner.receive()
            sent = Decoder().feed(ours.recv(1000))

        assert received == {"t": "stop"}
        assert sent == [{"t": "ready"}]
        assert inner.receive() is None


def test_blocking_frames_are_written_and_read() -> None:
    """A frame can be exchanged over blocking sockets; the end of the stream is an error."""
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            frames.write_frame(ours, {"id": 1})

            received = frames.read_frame(theirs)

        assert received == {"id": 1}
        with pytest.raises(SupervisorUnavailable):
            frames.read_frame(theirs)
