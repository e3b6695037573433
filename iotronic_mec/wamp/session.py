"""The wamp agent's own session: joins the router, and joins again.

Rawsocket over a Unix socket, MessagePack, cryptosign with the key of
``DIR/wamp-agent.key``. Reactor thread only.
"""
# autobahn says it is typed, and most of its functions are not
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autobahn.twisted.rawsocket import WampRawSocketClientFactory, WampRawSocketClientProtocol
from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.cryptosign import CryptosignKey
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.serializer import MsgPackSerializer
from autobahn.wamp.types import Challenge, CloseDetails, ComponentConfig, SessionDetails
from twisted.internet.base import DelayedCall, ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.python.failure import Failure

from iotronic_mec import prompt
from lightning_agent.protocol import names

LOG = logging.getLogger(__name__)

AUTHID = "wamp-agent"
"""Our name in the router's configuration."""

BACK_OFF_S = (0.1, 5.0)
"""First and longest wait between attempts to join, seconds; with jitter."""

NOBODY_S = 0.5
"""Longest wait while nobody listens at the router's socket, seconds."""

JOIN_LIMIT_S = 10.0
"""Seconds from the connection to the join; then the attempt is given up."""

_GROWTH = 1.7


class Session(ApplicationSession):
    """One WAMP session; made by the :class:`RouterLink`."""

    def __init__(self, link: RouterLink) -> None:
        super().__init__(ComponentConfig(realm=names.REALM))
        self._link = link

    def onConnect(self) -> None:
        """Say hello with our key; called by autobahn."""
        self.join(
            names.REALM,
            ["cryptosign"],
            authid=AUTHID,
            authextra={"pubkey": self._link.key.public_key()},
        )

    def onChallenge(self, challenge: Challenge) -> Any:
        """Sign the router's challenge; called by autobahn."""
        return self._link.key.sign_challenge(challenge)

    def onJoin(self, details: SessionDetails) -> None:
        """Take the session into use; called by autobahn."""
        self._link.session_joined(self)

    def onLeave(self, details: CloseDetails) -> Any:
        """Fail what waits; called by autobahn, also when a join is refused."""
        self._link.session_left(self, f"{details.reason} {details.message or ''}".strip())
        waiting = self._errback_outstanding_requests(
            ApplicationError(details.reason, details.message)
        )
        if self._transport:
            self.disconnect()
        return waiting

    def onUserError(self, fail: Failure, msg: str) -> None:
        """Log what a handler of ours raised; called by autobahn."""
        if not isinstance(fail.value, ApplicationError):
            LOG.error("%s: %s", msg, fail.getTraceback())

    def _exception_from_message(self, msg: Any) -> Exception:
        """Build the exception of an ERROR, whatever a board put into it.

        autobahn passes the message's keywords to a constructor, and a keyword
        named like one of its parameters raises there, which would close *our*
        session. A board must not be able to do that.
        """
        try:
            error: Exception = super()._exception_from_message(msg)
        except TypeError:
            return ApplicationError(msg.error, *(msg.args or ()))
        return error


class Wire(WampRawSocketClientProtocol):
    """Rawsocket that sends at once; made by the :class:`RouterLink`."""

    def sendString(self, string: bytes) -> None:
        """Send one message with its length in front; called by autobahn."""
        prompt.write(self.transport, len(string).to_bytes(4, "big") + string)


class RouterLink:
    """Keeps one session with the router.

    :param path: of the router's private socket
    :param seed: our Ed25519 seed, 32 bytes
    :param joined: called with each new session
    :param left: called when it has ended
    """

    def __init__(
        self,
        reactor: ReactorBase,
        path: Path,
        seed: bytes,
        *,
        joined: Callable[[Session], None],
        left: Callable[[], None],
    ) -> None:
        self.key = CryptosignKey.from_bytes(seed)
        self.cause = "not tried yet"
        self._reactor = reactor
        self._joined = joined
        self._left = left
        self._endpoint = UNIXClientEndpoint(reactor, str(path), timeout=JOIN_LIMIT_S)
        self._session: Session | None = None
        self._transport: Any = None
        self._limit: DelayedCall | None = None
        self._retry: DelayedCall | None = None
        self._failures = 0
        self._stopped = False

    @property
    def up(self) -> bool:
        """Whether a session is joined."""
        return self._session is not None

    def start(self) -> None:
        """Join, and join again whenever the session is lost."""
        self._connect()

    def stop(self) -> None:
        """Leave; no more attempts."""
        self._stopped = True
        for timer in (self._retry, self._limit):
            if timer is not None and timer.active():
                timer.cancel()
        if self._transport is not None:
            self._transport.loseConnection()

    def session_joined(self, session: Session) -> None:
        """Take a joined session into use; called by the session."""
        if self._limit is not None and self._limit.active():
            self._limit.cancel()
        self._failures = 0
        self._session = session
        self.cause = ""
        LOG.info("joined the router")
        self._joined(session)

    def session_left(self, session: Session, reason: str) -> None:
        """Take note that a session ended or was refused; called by the session."""
        self.cause = reason
        if self._session is session:
            self._session = None
            if not self._stopped:
                LOG.warning("the session with the router ended: %s", reason)
            self._left()

    def _connect(self) -> None:
        self._retry = None
        factory = WampRawSocketClientFactory(lambda: Session(self), MsgPackSerializer())
        factory.protocol = Wire
        attempt: Deferred[Any] = self._endpoint.connect(factory)
        attempt.addCallbacks(self._connected, self._not_connected)

    def _connected(self, wire: Any) -> None:
        self._transport = wire.transport
        if self._stopped:
            wire.transport.abortConnection()
            return
        self._limit = self._reactor.callLater(JOIN_LIMIT_S, wire.transport.abortConnection)
        wire.is_closed.addCallback(self._closed)

    def _not_connected(self, failure: Failure) -> None:
        # nobody listens: cheap to find out, and it is what a start waits for
        self.cause = failure.getErrorMessage()
        self._connect_later(NOBODY_S)

    def _closed(self, _: object) -> None:
        self._transport = None
        if self._limit is not None and self._limit.active():
            self._limit.cancel()
        self._connect_later()

    def _connect_later(self, longest_s: float = BACK_OFF_S[1]) -> None:
        if self._stopped:
            return
        first_s = BACK_OFF_S[0]
        wait_s = min(longest_s, first_s * _GROWTH ** min(self._failures, 20))
        self._failures += 1
        wait_s *= random.uniform(0.7, 1.0)  # noqa: S311 - spreads retries, no secret
        self._retry = self._reactor.callLater(wait_s, self._connect)
