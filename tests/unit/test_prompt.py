"""Writing at once, on real sockets: the private names it looks at are there."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from twisted.internet import tcp, unix
from twisted.internet.testing import StringTransport
from twisted.internet.unix import Server
from twisted.protocols.policies import ProtocolWrapper
from twisted.protocols.tls import TLSMemoryBIOProtocol

from lightning_agent.protocol import prompt


class Reactor:
    """Takes note of who waits to write."""

    def __init__(self) -> None:
        self.writers: list[Any] = []

    def addWriter(self, writer: Any) -> None:
        """Note one."""
        self.writers.append(writer)

    def addReader(self, reader: Any) -> None:
        """Note nothing."""


class Transport:
    """A transport as Twisted's are, on one end of a pair."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self.socket = end
        self.connected = True
        self.disconnecting = False
        self.dataBuffer = b""
        self.TLS = False
        self._tempDataBuffer: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Keep the bytes for the reactor."""
        self._tempDataBuffer.append(data)


def test_bytes_leave_at_once() -> None:
    """Nothing is left for the reactor."""
    near, far = socket.socketpair()
    transport = Transport(near)

    prompt.write(transport, b"hello")

    assert far.recv(100) == b"hello"
    assert transport._tempDataBuffer == []
    near.close()
    far.close()


def test_what_waits_stays_first() -> None:
    """Order is kept."""
    near, far = socket.socketpair()
    transport = Transport(near)
    transport.write(b"first")

    prompt.write(transport, b"second")

    assert transport._tempDataBuffer == [b"first", b"second"]
    near.close()
    far.close()


def test_what_does_not_fit_is_left_to_the_reactor() -> None:
    """All of it arrives, in order."""
    near, far = socket.socketpair()
    transport = Transport(near)
    data = bytes(range(256)) * 8192

    prompt.write(transport, data)

    rest = b"".join(transport._tempDataBuffer)
    assert 0 < len(rest) < len(data)
    assert data.endswith(rest)
    near.close()
    far.close()


@pytest.mark.parametrize("wrapper", [TLSMemoryBIOProtocol, ProtocolWrapper])
def test_nothing_is_written_past_tls(wrapper: type[ProtocolWrapper]) -> None:
    """A wrapper shows its transport's attributes as if they were its own."""
    near, far = socket.socketpair()
    far.setblocking(False)
    wrapped = wrapper.__new__(wrapper)
    wrapped.transport = Transport(near)
    told: list[bytes] = []
    wrapped.write = told.append  # type: ignore[method-assign]

    prompt.write(wrapped, b"secret")

    assert told == [b"secret"]
    with pytest.raises(BlockingIOError):
        far.recv(100)
    near.close()
    far.close()


def test_a_connection_that_went_over_to_tls_is_left_alone() -> None:
    """Twisted marks it."""
    near, far = socket.socketpair()
    transport = Transport(near)
    transport.TLS = True

    prompt.write(transport, b"secret")

    assert transport._tempDataBuffer == [b"secret"]
    near.close()
    far.close()


def test_a_transport_of_another_kind_is_left_alone() -> None:
    """Those of tests, for instance."""
    transport = StringTransport()

    prompt.write(transport, b"hello")

    assert transport.value() == b"hello"


@pytest.mark.parametrize("kind", [tcp.Server, tcp.Client, Server, unix.Client])
def test_twisteds_transports_have_the_names(kind: type) -> None:
    """A release that renames them is noticed here, and only costs speed."""
    made = kind.__new__(kind)

    for name in ("dataBuffer", "_tempDataBuffer", "disconnecting", "connected"):
        holders = [cls for cls in kind.__mro__ if name in vars(cls)]
        in_init = any(
            name in cls.__init__.__code__.co_names
            for cls in kind.__mro__
            if hasattr(cls.__init__, "__code__")
        )
        assert holders or in_init, f"{made!r} lacks {name}"
