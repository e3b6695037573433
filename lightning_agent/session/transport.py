"""One attempt at a WAMP session: connect, log in, run until it ends.

Nothing is retried here; :mod:`session.component` decides about the next attempt.
Autobahn's own ``Component`` is not used: it retries by its own clock and doubles
the memory that its imports take.

Source: WAMP specification, advanced profile, sections on ticket and cryptosign
authentication; RFC 6455 for the WebSocket below.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import autobahn.util
from autobahn.twisted.wamp import ApplicationSession
from autobahn.twisted.websocket import (
    WampWebSocketClientFactory,
    WampWebSocketClientProtocol,
)
from autobahn.wamp.serializer import CBORSerializer, MsgPackSerializer
from autobahn.wamp.types import Challenge, CloseDetails, SessionDetails
from OpenSSL.crypto import Error as OpenSSLError
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates

from lightning_agent.errors import Error
from lightning_agent.protocol import prompt
from lightning_agent.session.backoff import JOIN_LIMIT, TRANSPORT_LOST, SessionEnd
from lightning_agent.state.identity import BoardKey

LOG = logging.getLogger(__name__)

CONNECT_LIMIT_S = 10.0
"""For name resolution and TCP together."""
JOIN_LIMIT_S = 15.0
"""From the TCP connection to WELCOME: a router whose authenticator hangs never answers."""
PING_INTERVAL_S = 10.0
PING_LIMIT_S = 10.0
MAX_RECEIVED_BYTES = 16 * 1024 * 1024
"""The router's own bound; what we send is bounded by 1 MiB elsewhere."""

SERIALIZERS: tuple[Callable[[], Any], ...] = (MsgPackSerializer, CBORSerializer)
"""Offered to the router, the preferred one first."""


# Where click is installed, autobahn colours words for its log with each message,
# also when nobody logs them: a tenth of what an order costs the agent.
autobahn.util._HAS_CLICK = False


class TrustRefused(Error):
    """The file of the certificate authority cannot be used."""

    code = "trust_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to connect. ``ca``: a PEM file, ``None`` trusts the system's authorities."""

    url: str
    realm: str
    ca: str | None = None


class Login(Protocol):
    """How a session proves who it is."""

    method: str
    authid: str
    authextra: dict[str, Any]

    def answer(self, challenge: Challenge) -> str:
        """Return the signature or secret the router asked for."""


class KeyLogin:
    """The board's own key, method cryptosign.

    :param authid: the board's uuid
    """

    method = "cryptosign"

    def __init__(self, authid: str, key: BoardKey) -> None:
        self.authid = authid
        self.authextra = {"pubkey": key.public_key}
        self._key = key

    def answer(self, challenge: Challenge) -> str:
        """Sign the router's challenge."""
        return self._key.sign(bytes.fromhex(challenge.extra["challenge"])).hex()


class CodeLogin:
    """A one-time enrolment code, method ticket."""

    method = "ticket"

    def __init__(self, authid: str, code: str, public_key: str) -> None:
        self.authid = authid
        self.authextra = {"pubkey": public_key}
        self._code = code

    def answer(self, challenge: Challenge) -> str:
        """Give the code."""
        return self._code


class Session(ApplicationSession):
    """A session that logs in as told and remembers how it ended.

    :param on_join: called with this session once the router let it in
    """

    def __init__(
        self, realm: str, login: Login, on_join: Callable[[Session], Awaitable[None]]
    ) -> None:
        super().__init__()
        self._wanted_realm = realm
        self._login = login
        self._join_done = on_join
        self.joined = False
        self.reason = TRANSPORT_LOST
        self.reason_message = ""

    def onConnect(self) -> None:
        """Say who we are."""
        login = self._login
        self.join(self._wanted_realm, [login.method], login.authid, authextra=login.authextra)

    def onChallenge(self, challenge: Challenge) -> str:
        """Prove it."""
        return self._login.answer(challenge)

    async def onJoin(self, details: SessionDetails) -> None:
        """Hand over to the owner of the session."""
        self.joined = True
        await self._join_done(self)

    def onLeave(self, details: CloseDetails) -> None:
        """Remember why, then close the connection."""
        self.reason = details.reason or TRANSPORT_LOST
        self.reason_message = details.message or ""
        self.disconnect()

    def onUserError(self, fail: Any, msg: str) -> None:
        """Log what the library caught; our own answers are not errors."""
        LOG.debug("session %s: %s", self.session_id, msg)


class Connection:
    """One connection attempt and the session it leads to; reactor thread only."""

    def __init__(self, reactor: Any, target: Target, login: Login) -> None:
        self._reactor = reactor
        self._target = target
        self._login = login
        self._protocol: Any = None
        self.session: Session | None = None

    async def run(self, on_join: Callable[[Session], Awaitable[None]]) -> SessionEnd:
        """Connect, log in, and return when the session has ended; raises nothing.

        :param on_join: called with the session when the router let it in
        """
        try:
            self._protocol = await self._connect(on_join)
        except (ConnectError, ConnectionClosed, DNSLookupError, TrustRefused) as error:
            return SessionEnd(reason=TRANSPORT_LOST, message=str(error) or type(error).__name__)
        limit = self._reactor.callLater(JOIN_LIMIT_S, self._give_up)
        await self._protocol.is_closed
        if limit.active():
            limit.cancel()
        return self._end(called=limit.called)

    def drop(self) -> None:
        """Close the connection without a word; the session ends soon after."""
        if self._protocol is not None:
            self._protocol.dropConnection(abort=True)

    async def _connect(self, on_join: Callable[[Session], Awaitable[None]]) -> Any:
        def make_session() -> Session:
            self.session = Session(self._target.realm, self._login, on_join)
            return self.session

        factory: Any = WampWebSocketClientFactory(  # type: ignore[no-untyped-call]
            make_session,
            url=self._target.url,
            serializers=[kind() for kind in SERIALIZERS],
        )
        factory.protocol = Wire
        factory.noisy = False
        factory.setProtocolOptions(
            autoPingInterval=PING_INTERVAL_S,
            autoPingTimeout=PING_LIMIT_S,
            autoPingSize=12,
            openHandshakeTimeout=JOIN_LIMIT_S,
            closeHandshakeTimeout=1,
            maxMessagePayloadSize=MAX_RECEIVED_BYTES,
            maxFramePayloadSize=MAX_RECEIVED_BYTES,
            failByDrop=True,
            tcpNoDelay=True,
        )
        return await endpoint(self._reactor, self._target).connect(factory)

    def _give_up(self) -> None:
        if self.session is None or not self.session.joined:
            self.drop()

    def _end(self, *, called: bool) -> SessionEnd:
        session = self.session
        joined = session is not None and session.joined
        if called and not joined:
            return SessionEnd(reason=JOIN_LIMIT, message=f"no answer in {JOIN_LIMIT_S:.0f} s")
        if session is None:
            why = self._protocol.wasNotCleanReason or "no WebSocket there"
            return SessionEnd(reason=TRANSPORT_LOST, message=str(why))
        return SessionEnd(reason=session.reason, message=session.reason_message, joined=joined)


class Wire(WampWebSocketClientProtocol):
    """WebSocket whose messages leave at once."""

    def connectionMade(self) -> None:
        """Have the kernel wait for nothing either; called by Twisted.

        Autobahn means to, but asks for its option before it has it: with Nagle's
        algorithm the second of two answers waited for the router's acknowledgement of the
        first, 40 ms. Source: RFC 1122, 4.2.3.2 and 4.2.3.4.
        """
        no_delay = getattr(self.transport, "setTcpNoDelay", None)
        if no_delay is not None:
            no_delay(True)
        super().connectionMade()

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """Send bytes; called by autobahn."""
        if sync or chopsize or self.send_queue or self.state != self.STATE_OPEN:
            super().sendData(data, sync, chopsize)
        else:
            prompt.write(self.transport, data)


def endpoint(reactor: Any, target: Target) -> Any:
    """Return the way to the target's host, with TLS and its checks for ``wss``.

    :raises TrustRefused: the authority's file cannot be used
    """
    parts = urlsplit(target.url)
    host = parts.hostname or ""
    secure = parts.scheme == "wss"
    port = parts.port or (443 if secure else 80)
    plain: Any = HostnameEndpoint(reactor, host, port, CONNECT_LIMIT_S)
    if not secure:
        return plain
    return wrapClientTLS(optionsForClientTLS(host, trustRoot=trust_root(target.ca)), plain)


def trust_root(ca: str | None) -> Any:
    """Return what Twisted's TLS takes as trusted: the PEM file's authorities, or the system's.

    :raises TrustRefused: the file cannot be read or holds no certificate
    """
    if ca is None:
        return None
    try:
        with open(ca, encoding="ascii") as file:
            text = file.read()
        mark = "-----END CERTIFICATE-----"
        pems = [part + mark for part in text.split(mark)[:-1]]
        certificates = [Certificate.loadPEM(pem.encode()) for pem in pems]
    except (OSError, ValueError, OpenSSLError) as error:
        raise TrustRefused(f"the authority's file {ca} cannot be read: {error}") from error
    if not certificates:
        raise TrustRefused(f"the authority's file {ca} holds no certificate")
    return trustRootFromCertificates(certificates)  # type: ignore[no-untyped-call]
