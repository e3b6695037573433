"""The wamp agent: puts the parts together and keeps their order.

After each join: meta events first, then the reports' procedures, then the
authorizers, then what the router knows already and what the conductor knows
(the directory); the authenticators come last, so that no board is in before its
reports are served. Reactor thread only.

Usage::

    agent = WampAgent(reactor, bridge, AgentSettings(...))
    agent.start()
    agent.ready.addCallback(...)
"""
# autobahn says it is typed, and most of its functions are not
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autobahn.wamp.exception import ApplicationError, TransportLost
from autobahn.wamp.types import RegisterOptions, SubscribeOptions
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, deferLater

from iotronic_mec import errors, metrics
from iotronic_mec.bridge.ends import End
from iotronic_mec.clock import Clock
from iotronic_mec.wamp import adoption, authorize
from iotronic_mec.wamp.authenticate import Authenticators
from iotronic_mec.wamp.directory import Directory, Entry, load_directory
from iotronic_mec.wamp.inbound import Inbound, to_application_error
from iotronic_mec.wamp.outbound import Outbound
from iotronic_mec.wamp.presence import Presence
from iotronic_mec.wamp.refusals import Refusals
from iotronic_mec.wamp.reporter import Reporter
from iotronic_mec.wamp.session import RouterLink, Session
from lightning_agent.protocol import messages, names
from lightning_agent.protocol.errors import (
    CLOSE_DELETED,
    CLOSE_ENROLLED,
    CLOSE_RESTART,
    CLOSE_SUPERSEDED,
    WireError,
)

LOG = logging.getLogger(__name__)

RPC_LIMIT_S = 10.0
"""Seconds for one short question to the conductor."""

CODE_LIMIT_S = 5.0
"""Seconds for the look-up of a code; a login waits for it."""

ONLINE_PAGE = 10_000
"""Most boards in one page of who is online: 50 bytes each, and a frame holds 1 MiB."""

ENROL_LINGER_S = 0.2
"""Seconds an enrolment session lives on, so that its answer arrives."""

RECONCILE_S = 180.0
"""Seconds between two comparisons of our picture with the router's."""

RETRY_S = 1.0
"""Seconds until a failed talk with the conductor is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """Who the wamp agent is and where the router is.

    ``uuid`` is kept over restarts; ``url`` is the public address of the router;
    ``seed`` our Ed25519 seed; ``secret`` the key of the codes' hashes.
    """

    uuid: str
    url: str
    socket: Path
    seed: bytes
    secret: bytes


class WampAgent:
    """All WAMP parts of one front process."""

    def __init__(self, reactor: ReactorBase, bridge: End, settings: AgentSettings) -> None:
        self._reactor = reactor
        self._bridge = bridge
        self._settings = settings
        self.directory = Directory()
        self.refusals = Refusals(
            reactor, lambda lines: bridge.cast("board", "refusals", {"entries": lines})
        )
        self._reporter = Reporter(reactor, self._send_presence, lambda: len(self.presence.online))
        self.presence = Presence(Clock(), self._reporter.report, self._supersede)
        self.authenticators = Authenticators(
            reactor,
            self.directory,
            lambda digest: bridge.call("board", "find_code", {"digest": digest}, CODE_LIMIT_S),
            settings.secret,
            self.refusals,
        )
        self.outbound = Outbound(reactor)
        self._inbound = Inbound(
            lambda method, arguments, limit_s: bridge.call("board", method, arguments, limit_s),
            self._peer,
            self._enrolled,
        )
        self.link = RouterLink(
            reactor,
            settings.socket,
            settings.seed,
            joined=lambda session: self._run(self._joined(session)),
            left=self._left,
        )
        self._session: Session | None = None
        self._reconcile = LoopingCall(lambda: self._run(self._adopt_again()))
        self._waiting_for_directory: list[Deferred[None]] = []
        self._missed = self._reading = False
        self.ready = False
        self.cause = "the router has not been joined"
        metrics.BOARDS_ONLINE.watch(lambda: len(self.presence.online))
        metrics.SESSIONS.watch(lambda: self.presence.sessions)
        metrics.ROUTER_UP.watch(lambda: self.ready)
        bridge.serve("board", {"call": self.outbound.call})
        bridge.serve(
            "directory",
            {"put": self._put, "remove": self._remove, "online": self._tell_online},
        )
        bridge.watch(lambda: self._run(self._core_connected()))

    def start(self) -> None:
        """Join the router; the bridge is started by whoever made it."""
        self.link.start()
        self._reconcile.start(RECONCILE_S, now=False)

    def stop(self) -> None:
        """Leave the router and stop every timer."""
        if self._reconcile.running:
            self._reconcile.stop()
        self.refusals.stop()
        self._reporter.stop()
        self.authenticators.stop()
        self.link.stop()

    # -- the session ------------------------------------------------------------------

    async def _joined(self, session: Session) -> None:
        self._session = session
        self.cause = "procedures are being registered"
        await self._subscribe(session)
        for uri, procedure in self._inbound.procedures().items():
            await _register(session, procedure, uri)
        await _register(session, authorize.authorize_enrol, names.AUTHORIZE_ENROL)
        await _register(session, authorize.authorize_board, names.AUTHORIZE_BOARD)
        self.outbound.attach(session)
        self.cause = "the router's sessions are being read"
        await self._adopt(session)
        self.cause = "the core has not sent the directory of boards"
        await self._directory_loaded()
        await _register(session, _authenticator(self.authenticators.ticket), names.AUTH_TICKET)
        await _register(session, _authenticator(self.authenticators.board), names.AUTH_BOARD)
        self.ready = True
        self.cause = ""
        LOG.info("boards may log in; %d are online", len(self.presence.online))
        await self._announce()

    def _left(self) -> None:
        self._session = None
        self.ready = False
        self.cause = f"the router is away: {self.link.cause}"
        self.outbound.attach(None)

    async def _subscribe(self, session: Session) -> None:
        def on_join(details: dict[str, Any], *_: Any, **__: Any) -> None:
            self.presence.joined(details)
            self._check_key(details, self.authenticators.joined(details["session"]))

        def on_leave(left: int, *_: Any, **__: Any) -> None:
            self.presence.left(left)

        def on_create(owner: int, details: dict[str, Any], **_: Any) -> None:
            self.presence.registered(owner, str(details.get("uri")))

        for uri, handler in (
            ("wamp.session.on_join", on_join),
            ("wamp.session.on_leave", on_leave),
            ("wamp.registration.on_create", on_create),
        ):
            await session.subscribe(handler, uri, SubscribeOptions(match="exact"))

    async def _adopt(self, session: Session) -> None:
        """Make our picture of who is online the router's."""
        self.presence.begin_adoption()
        serving = await adoption.read_serving(session.call)
        sessions = await adoption.read_sessions(session.call)
        self.presence.finish_adoption(serving, sessions)

    async def _adopt_again(self) -> None:
        if self._session is not None and self.ready:
            await self._adopt(self._session)
            self._kill_strangers(list(self.presence.online))

    # -- the core ---------------------------------------------------------------------

    async def _core_connected(self) -> None:
        """Read everything anew; once more when that is asked for meanwhile."""
        self._missed = True
        if self._reading:
            return
        self._reading = True
        try:
            while self._missed:
                self._missed = False
                await self._read_anew()
        finally:
            self._reading = False

    async def _read_anew(self) -> None:
        gone = await self._load_directory()
        waiting, self._waiting_for_directory = self._waiting_for_directory, []
        for waiter in waiting:
            waiter.callback(None)
        self._kill_strangers(gone)
        if self.ready:
            await self._announce()

    async def _load_directory(self) -> list[str]:
        return await load_directory(
            self.directory, lambda _, method, arguments, __: self._ask(method, arguments)
        )

    def _directory_loaded(self) -> Deferred[None]:
        loaded: Deferred[None] = Deferred()
        if self.directory.loaded:
            loaded.callback(None)
        else:
            self._waiting_for_directory.append(loaded)
        return loaded

    async def _announce(self) -> None:
        """Tell the conductor that we are here; it asks what is online."""
        settings = self._settings
        await self._ask("wamp_agent_up", {"agent": settings.uuid, "url": settings.url})

    async def _ask(self, method: str, arguments: dict[str, Any]) -> Any:
        """Ask the conductor until it answers or its link is gone."""
        while True:
            try:
                return await self._bridge.call("board", method, arguments, RPC_LIMIT_S)
            except errors.Error as error:
                if not self._bridge.up:
                    raise
                LOG.warning("the core did not answer %s: %s", method, error.message)
                await deferLater(self._reactor, RETRY_S)  # type: ignore[arg-type]

    def _send_presence(self, changes: list[dict[str, Any]]) -> Deferred[Any]:
        arguments = {"agent": self._settings.uuid, "changes": changes}
        return self._bridge.call("board", "presence", arguments, RPC_LIMIT_S)

    # -- calls of the core ------------------------------------------------------------

    async def _put(self, arguments: dict[str, Any], _: float) -> None:
        await self._take(Entry.from_row({**arguments, "uuid": arguments["board"]}))

    async def _take(self, entry: Entry) -> None:
        """Put a board into the directory; with a new key its old session ends."""
        before = self.directory.put(entry)
        if before and before.public_key and before.public_key != entry.public_key:
            await self._kill_board(entry.board, CLOSE_RESTART, "the board's key has changed")

    async def _remove(self, arguments: dict[str, Any], _: float) -> None:
        board = str(arguments["board"])
        self.directory.remove(board)
        reason = str(arguments.get("reason") or "the board was deleted")
        await self._kill_board(board, CLOSE_DELETED, reason)

    async def _tell_online(self, arguments: dict[str, Any], _: float) -> dict[str, Any]:
        limit = max(1, min(int(arguments.get("limit") or ONLINE_PAGE), ONLINE_PAGE))
        boards = self.presence.page_online(str(arguments.get("after") or ""), limit)
        return {"boards": boards, "next": max(boards) if len(boards) == limit else None}

    # -- sessions that have to end ----------------------------------------------------

    def _kill_strangers(self, boards: list[str]) -> None:
        for board in boards:
            if board not in self.directory:
                self._run(self._kill_board(board, CLOSE_DELETED, "the board was deleted"))

    def _check_key(self, details: dict[str, Any], key: str | None) -> None:
        """End a board's session whose key stopped counting while it was logging in.

        :param key: what it signed the challenge with, ``None`` if that is not known
        """
        if details.get("authrole") != names.ROLE_BOARD:
            return
        entry = self.directory.find(str(details.get("authid")))
        if entry is None:
            reason, message = CLOSE_DELETED, "the board was deleted"
        elif key is not None and key != entry.public_key:
            reason, message = CLOSE_RESTART, "the board's key has changed"
        else:
            return
        LOG.warning(
            "session %s of board %s: %s", details["session"], details.get("authid"), message
        )
        self._run(self._kill(details["session"], reason, message))

    async def _kill_board(self, board: str, reason: str, message: str) -> None:
        if self._session is not None:
            await self._session.call(
                "wamp.session.kill_by_authid", board, reason=reason, message=message
            )

    def _supersede(self, session: int) -> None:
        self._run(
            self._kill(session, CLOSE_SUPERSEDED, "a newer session of this board has joined")
        )

    async def _kill(self, session: int, reason: str, message: str) -> None:
        if self._session is not None:
            kill = self._session.call("wamp.session.kill", session, reason=reason, message=message)
            await adoption.unless_gone(kill)

    def _peer(self, session: int) -> str:
        known = self.presence.find_session(session)
        return known.peer if known else ""

    def _enrolled(self, session: int, public_key: str, answer: messages.Enrolled) -> None:
        # the old key is worth nothing from here on, nor is a session it opened
        self._run(
            self._take(
                Entry(
                    board=answer.board,
                    public_key=public_key,
                    project=answer.project,
                    name=answer.name,
                )
            )
        )
        self._reactor.callLater(
            ENROL_LINGER_S,
            lambda: self._run(
                self._kill(session, CLOSE_ENROLLED, "enrolled; join with the board's key")
            ),
        )

    def _run(self, work: Awaitable[None]) -> None:
        """Let a coroutine run; what ends it is logged, the next join repeats it."""
        Deferred.fromCoroutine(_guarded(work))


async def _guarded(work: Awaitable[None]) -> None:
    try:
        await work
    except (ApplicationError, TransportLost) as error:
        LOG.info("the router ended a piece of work: %s", error)
    except errors.Error as error:
        LOG.info("the core ended a piece of work: %s", error.message)
    except Exception:  # the outer rim of WAMP in this process
        LOG.exception("a piece of work of the wamp agent failed")


async def _register(session: Session, procedure: Callable[..., Any], uri: str) -> None:
    # round-robin, so that two wamp agents may serve one router
    options = RegisterOptions(
        invoke="roundrobin", details_arg="details" if uri in _DETAILED else None
    )
    await session.register(procedure, uri, options)


_DETAILED = frozenset({names.ENROL, *names.REPORTS})


def _authenticator(
    decide: Callable[[str, str | None, dict[str, Any]], Awaitable[dict[str, Any]]],
) -> Callable[..., Awaitable[dict[str, Any]]]:
    async def authenticate(
        realm: str, authid: str | None, details: dict[str, Any], *_: Any, **__: Any
    ) -> dict[str, Any]:
        try:
            return await decide(realm, authid, details)
        except WireError as error:
            raise to_application_error(error) from error
        except Exception as error:  # the outer rim of WAMP in this process
            LOG.exception("login of %s failed", str(authid)[:64])
            raise ApplicationError(WireError.uri, "internal error") from error

    return authenticate
