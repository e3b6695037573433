"""The data road's echo: ``POST /healthcheck/boards/{uuid}`` to the board and back.

The gateway has no rules and no database. It asks the core whether the sender
may (``GET`` of the same address, with the sender's credentials), keeps a yes for
less than a second, and calls the board itself; so a busy core does not slow it
down, and what is revoked counts within a second. With each question it says how
many pings it has answered since the last, which the core counts against the sender's
rates, and with the yes it is told how many more it may answer. What the core refuses goes to
the client as the core says it. Reactor thread only.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from iotronic_mec import errors
from iotronic_mec.gateway import environ, site
from iotronic_mec.gateway.environ import Origin
from iotronic_mec.gateway.job import Core, Job
from lightning_agent.protocol import names
from lightning_agent.protocol.checks import MAX_TEXT
from lightning_agent.protocol.log_lines import Asking, set_asking

LOG = logging.getLogger(__name__)

PREFIX = b"/healthcheck/boards/"

SERVED = "iotronic.served"
"""Key of a question's environment, see ``api.hooks``: pings answered since the last one."""

LEFT = "x-iot-requests-left"
"""Header of a yes: how many pings may be answered before the next question."""

FRESH_S = 0.9
"""How long a yes counts, seconds from the moment it was asked for."""

REFRESH_S = 0.3
"""After so many seconds it is asked for again while the old one still counts."""

MAX_KNOWN = 4096
"""Most yeses kept."""

MAX_CALLS = 256
"""Most calls to boards at a time; more are ``Busy``."""

TIMEOUT_S = 10.0
"""Seconds a board has to answer."""

CREDENTIALS = (b"authorization", b"x-auth-token", b"x-iot-project")
"""Headers that say who sends a request."""

Call = Callable[[dict[str, Any], float], Awaitable[dict[str, Any]]]
"""Calls a board: ``board``, ``procedure``, ``message`` and ``timeout_s``, and the limit.
``agent`` is the wamp agent the board is bound to, as the core has said with the yes."""


@dataclass(slots=True)
class _Known:
    """What is known of one sender's right on one board.

    ``served`` pings were answered since the last question; ``left`` more may be
    before the next one, ``None`` for any number. ``agent`` is the board's wamp agent,
    ``None`` before it has been online.
    """

    until_s: float = 0.0
    asked_s: float = 0.0
    asking: bool = False
    served: int = 0
    left: int | None = None
    timed: bool = False
    agent: str | None = None
    question: dict[str, str] = field(default_factory=dict)
    waiting: list[site.Exchange] = field(default_factory=list)


class Pings:
    """Answers pings of one listener.

    :param call: calls a board
    """

    def __init__(self, reactor: ReactorBase, upstream: Core, origin: Origin, call: Call) -> None:
        self._reactor = reactor
        self._upstream = upstream
        self._origin = origin
        self._call = call
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._calls = 0

    def begin(self, exchange: site.Exchange) -> bool:
        """Answer a request, now or later; ``False`` when it is none of ours."""
        path = environ.split_target(exchange.uri)[0]
        board = path.removeprefix(PREFIX).decode("latin-1")
        if exchange.method != b"POST" or names.UUID.fullmatch(board) is None:
            return False
        key = self._key(exchange, board)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _Known()
            while len(self._known) > MAX_KNOWN:
                self._forget_oldest()
        now_s = self._reactor.seconds()
        if now_s < known.until_s and known.left != 0:
            self._count(key, known, board)
            if now_s - known.asked_s >= REFRESH_S:
                self._ask(key, known, board, exchange)
            self._start(exchange, board, known.agent)
        else:
            known.waiting.append(exchange)
            self._ask(key, known, board, exchange)
        return True

    def _count(self, key: bytes, known: _Known, board: str) -> None:
        if known.left is None:
            return  # there is no limit it would count against
        known.served += 1
        known.left = max(0, known.left - 1)
        if not known.timed:
            # who does not come again is counted all the same
            known.timed = True
            self._reactor.callLater(FRESH_S, self._report, key, known, board)

    def _report(self, key: bytes, known: _Known, board: str) -> None:
        known.timed = False
        if known.served:
            self._ask(key, known, board, None)

    def _key(self, exchange: site.Exchange, board: str) -> bytes:
        get = exchange.requestHeaders.getRawHeaders
        parts = [b"\0".join(get(name) or ()) for name in CREDENTIALS]
        return hashlib.sha256(b"\1".join([board.encode(), *parts])).digest()

    def _forget_oldest(self) -> None:
        key, known = next(iter(self._known.items()))
        if known.asking:
            # it is waited for: it must not be forgotten before its answer
            self._known.move_to_end(key)
            key, known = next(iter(self._known.items()))
        self._known.pop(key)
        for exchange in known.waiting:
            exchange.fail(errors.Busy())
        known.waiting = []

    def _ask(self, key: bytes, known: _Known, board: str, exchange: site.Exchange | None) -> None:
        """Ask the core whether a sender may, and tell it what was served.

        :param exchange: one of the sender's; ``None``: as it was asked before
        """
        if known.asking:
            return
        known.asking = True
        asked_s = self._reactor.seconds()
        if exchange is not None:
            known.question = environ.build(
                self._origin,
                b"GET",
                PREFIX + board.encode(),
                str(getattr(exchange.client, "host", "")),
                0,
                exchange.requestHeaders.getAllRawHeaders(),
            )
            known.question.pop("CONTENT_TYPE", None)
        # the question counts as a request itself: of who waits, or one that was served
        for_waiter, served = bool(known.waiting), known.served
        besides = served if for_waiter else max(0, served - 1)
        question = {**known.question, SERVED: str(besides)}
        known.served = 0

        def told(answer: Asked) -> None:
            known.asking = False
            waiting, known.waiting = known.waiting, []
            if answer.status == 200:
                known.asked_s, known.until_s = asked_s, asked_s + FRESH_S
                known.left, known.agent = answer.left(), answer.agent()
                paid = waiting[:1] if for_waiter else []
                for waiter in paid:
                    self._start(waiter, board, known.agent)
                self._go_on(key, known, board, waiting[len(paid) :])
                return
            if answer.error is not None:
                # it was not told; a yes counts until its end
                known.served += served
            else:
                self._known.pop(key, None)
                known.until_s = 0.0
            for waiter in waiting:
                answer.give(waiter)

        self._upstream.submit(Job(Asked(told), question, None, 0))

    def _go_on(self, key: bytes, known: _Known, board: str, waiting: list[site.Exchange]) -> None:
        """Start who waited besides, as far as the yes goes; the others wait for the next."""
        for waiter in waiting:
            if known.left == 0:
                known.waiting.append(waiter)
                continue
            self._count(key, known, board)
            self._start(waiter, board, known.agent)
        if known.waiting:
            self._ask(key, known, board, known.waiting[0])

    def _start(self, exchange: site.Exchange, board: str, agent: str | None) -> None:
        if exchange.gone:
            return
        if self._calls >= MAX_CALLS:
            exchange.fail(errors.Busy())
            return
        self._calls += 1

        def broken(failure: Failure) -> None:
            LOG.error(
                "request %s: a ping of board %s failed: %s",
                exchange.request_id(),
                board,
                failure.getTraceback(),
            )
            if not exchange.gone:
                exchange.fail(errors.Error("internal error; the log of the gateway says more"))

        Deferred.fromCoroutine(self._run(exchange, board, agent)).addErrback(broken)

    async def _run(self, exchange: site.Exchange, board: str, agent: str | None) -> None:
        set_asking(Asking(exchange.request_id()))
        try:
            say = _say(exchange)
            began_s = self._reactor.seconds()
            answer = await self._call(
                {
                    "agent": agent,
                    "board": board,
                    "procedure": names.AGENT_PING,
                    "message": {"say": say},
                    "timeout_s": TIMEOUT_S,
                },
                TIMEOUT_S,
            )
            took_ms = (self._reactor.seconds() - began_s) * 1000
            body = {
                "board": board,
                "say": str(answer.get("say", "")),
                "round_trip_ms": round(took_ms, 3),
            }
            headers = [
                ("Openstack-Request-Id", exchange.request_id()),
                ("X-Content-Type-Options", "nosniff"),
                ("Cache-Control", "no-store"),
            ]
            if not exchange.gone:
                exchange.answer_json(200, body, headers)
        except errors.Error as error:
            if not exchange.gone:
                exchange.fail(error)
        finally:
            self._calls -= 1


class Asked:
    """Collects the core's answer to a question; see ``upstream.Asker``.

    :param told: called once, with this, when the answer is whole or will not come
    """

    def __init__(self, told: Callable[[Asked], None]) -> None:
        self.status = 0
        self.error: errors.Error | None = None
        self._headers: list[tuple[str, str]] = []
        self.body = b""
        self._told = told

    def response(self, status: int, headers: list[list[str]], data: bytes, last: bool) -> None:
        """Take the head."""
        self.status = status
        dropped = ("content-length", "transfer-encoding", "connection", "date")
        self._headers = [(name, value) for name, value in headers if name.lower() not in dropped]
        self.piece(data, last)

    def piece(self, data: bytes, last: bool) -> None:
        """Take a piece of the body."""
        self.body += data
        if last:
            self._told(self)

    def failed(self, error: errors.Error) -> None:
        """Take note that there is no answer."""
        self.status, self.error = 0, error
        self._told(self)

    def header(self, name: str) -> str | None:
        """Return a header of the answer, by its name in lower case."""
        return next((value for key, value in self._headers if key.lower() == name), None)

    def left(self) -> int | None:
        """Return how many pings the core lets pass before it is asked again."""
        stated = self.header(LEFT)
        return int(stated) if stated else None

    def agent(self) -> str | None:
        """Return the wamp agent the board is bound to, as the core says."""
        try:
            told = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None
        agent = told.get("agent") if isinstance(told, dict) else None
        return agent if isinstance(agent, str) else None

    def give(self, exchange: site.Exchange) -> None:
        """Give the core's refusal to a client."""
        if exchange.gone:
            return
        if self.error is not None:
            exchange.fail(self.error)
        else:
            headers = [pair for pair in self._headers if pair[0].lower() != LEFT]
            exchange.answer(self.status, headers, self.body)


def _say(exchange: site.Exchange) -> str:
    """Read the body: nothing, or a JSON object with the text to send.

    :raises errors.BadRequest: names the field and the rule
    """
    if not exchange.received_bytes or exchange.content is None:
        return ""
    if exchange.received_bytes > 8 * MAX_TEXT:
        raise errors.TooLarge(f"say: a text of at most {MAX_TEXT} characters is expected")
    exchange.content.seek(0)
    try:
        given = orjson.loads(exchange.content.read())
    except orjson.JSONDecodeError as error:
        raise errors.BadRequest("the body is not JSON", details={"in": "body"}) from error
    if not isinstance(given, dict):
        raise errors.BadRequest("the body: a JSON object is expected", details={"in": "body"})
    unknown = sorted(set(given) - {"say"})
    if unknown:
        field = unknown[0][:64]
        raise errors.BadRequest(f"{field}: is not known here", details={"field": field})
    say = given.get("say", "")
    if not isinstance(say, str) or len(say) > MAX_TEXT:
        raise errors.BadRequest(
            f"say: a text of at most {MAX_TEXT} characters is expected", details={"field": "say"}
        )
    return say
