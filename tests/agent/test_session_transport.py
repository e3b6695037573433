"""One attempt: connect, log in, end; without a network."""

from __future__ import annotations

import socket
from collections import deque
from pathlib import Path
from typing import Any

import autobahn.util
import pytest
from autobahn.wamp.types import Challenge
from nacl.signing import VerifyKey
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock as FakeReactor
from twisted.internet.tcp import Client
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from lightning_agent.protocol.messages import OperationList
from lightning_agent.session.backoff import JOIN_LIMIT, TRANSPORT_LOST
from lightning_agent.session.cloud import Cloud, CloudAway
from lightning_agent.session.transport import (
    JOIN_LIMIT_S,
    CodeLogin,
    Connection,
    KeyLogin,
    Target,
    TrustRefused,
    Wire,
    trust_root,
)
from lightning_agent.state.identity import BoardKey
from lightning_agent.waiting import wait_for
from tests.agent.stand_ins import begin, result_of

TARGET = Target(url="ws://127.0.0.1:8443/ws", realm="iotronic")


async def no_join(session: Any) -> None:
    """Nothing joins here."""


def connection(reactor: Any, target: Target = TARGET) -> Connection:
    """Return an attempt by code."""
    return Connection(reactor, target, CodeLogin("code", "12345678", "ab"))


def test_key_signs_the_challenge(tmp_path: Path) -> None:
    """The router can check the answer by the public key alone."""
    key = BoardKey.load_or_make(tmp_path)
    login = KeyLogin("b", key)

    answer = login.answer(Challenge("cryptosign", {"challenge": "ab" * 32}))

    assert VerifyKey(bytes.fromhex(key.public_key)).verify(bytes.fromhex(answer)) == b"\xab" * 32
    assert login.authextra == {"pubkey": key.public_key}


def test_refused_connection_is_an_end() -> None:
    """A router that is not there ends the attempt, with the reason in words."""
    reactor = MemoryReactorClock()
    running = begin(connection(reactor).run(no_join))

    reactor.tcpClients[0][2].clientConnectionFailed(None, Failure(ConnectionRefusedError()))
    reactor.advance(1)

    assert running.result.reason == TRANSPORT_LOST
    assert not running.result.joined


def test_silent_router_ends_at_the_join_limit() -> None:
    """A router that neither lets in nor refuses is given up after 15 s."""
    reactor = MemoryReactorClock()
    attempt = connection(reactor)
    running = begin(attempt.run(no_join))
    protocol = reactor.tcpClients[0][2].buildProtocol(None)
    transport = FakeTransport(protocol)
    protocol.makeConnection(transport)

    reactor.advance(JOIN_LIMIT_S)

    assert running.result.reason in (JOIN_LIMIT, TRANSPORT_LOST)


class FakeTransport:
    """A connection whose other side says nothing."""

    disconnecting = False

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol

    def __getattr__(self, name: str) -> Any:
        """Take everything."""
        return lambda *arguments: None


def test_unusable_authority_ends_the_attempt(tmp_path: Path) -> None:
    """A wrong certificate file is said, not raised."""
    target = Target(url="wss://127.0.0.1:8443/ws", realm="iotronic", ca=str(tmp_path / "no.pem"))

    end = result_of(connection(MemoryReactorClock(), target).run(no_join))

    assert "no.pem" in end.message


@pytest.mark.parametrize(
    "text", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_file_without_a_certificate_is_refused(tmp_path: Path, text: str) -> None:
    """A file that holds no certificate is named."""
    path = tmp_path / "ca.pem"
    path.write_text(text)

    with pytest.raises(TrustRefused, match=r"ca\.pem"):
        trust_root(str(path))


def test_wait_is_abandoned_not_cancelled() -> None:
    """At the limit the wait ends; the call itself is left alone."""
    reactor = FakeReactor()
    cancelled: list[Any] = []
    call: Deferred[Any] = Deferred(cancelled.append)
    waiting = begin(wait_for(reactor, call, 5, lambda: CloudAway("late")))

    reactor.advance(5)
    call.callback("too late")

    assert isinstance(waiting.broke, CloudAway)  # type: ignore[attr-defined]
    assert cancelled == []


def test_cloud_without_a_session_is_away() -> None:
    """Nothing is queued for a cloud that is not there."""
    cloud = Cloud(FakeReactor())

    with pytest.raises(CloudAway):
        result_of(cloud.tell("iotronic.cloud.operations", OperationList(operations=[])))


def test_messages_leave_at_once() -> None:
    """An open session's bytes are on the wire before the reactor's next round."""
    near, far = socket.socketpair()
    near.setblocking(False)
    transport = Client.__new__(Client)
    transport.socket, transport.connected, transport.disconnecting = near, 1, 0
    transport.dataBuffer, transport._tempDataBuffer, transport.TLS = b"", [], False
    wire = Wire()
    wire.transport, wire.state, wire.send_queue = transport, Wire.STATE_OPEN, deque()

    wire.sendData(b"answer")

    assert far.recv(100) == b"answer"
    assert transport._tempDataBuffer == []
    near.close()
    far.close()


def test_nothing_is_colored_for_a_log_nobody_reads() -> None:
    """Autobahn's private switch is still there: else each message costs a tenth more."""
    assert autobahn.util.hlval("word") == "word"
