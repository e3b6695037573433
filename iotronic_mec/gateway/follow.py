"""Followed logs of plugins: one held answer for each client, and no thread for any.

The gateway has no rules and no database: for each client it asks the core for the
lines after the last one it gave (``GET …/logs?after=…``, with the sender's own
credentials), once a second or so, and sends them as server-sent events. So rights
and rates are checked anew with each question, and what is revoked ends the stream.
At most :data:`MAX_ASKED` questions are under way at a time, however many clients
there are: no more threads of the core are held by all of them. Reactor thread only.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
from twisted.internet.base import DelayedCall, ReactorBase

from iotronic_mec import errors, event_stream
from iotronic_mec.gateway import environ, site
from iotronic_mec.gateway.environ import Origin
from iotronic_mec.gateway.job import Core, Job
from iotronic_mec.gateway.ping import CREDENTIALS, Asked

LOG = logging.getLogger(__name__)

PATH = re.compile(f"({event_stream.LOG.pattern}){event_stream.EVENTS}".encode())
"""The address of a followed log; without its end that of the log."""

MAX_FOLLOWERS = 128
"""Most streams of one gateway; one more is ``Busy``."""

MAX_OF_SENDER = 16
"""Most streams of one sender, before the core has said whose project it is."""

MAX_OF_PROJECT = 16
"""Most streams of one project at one gateway; one more is refused with 429."""

MAX_ASKED = 4
"""Questions to the core under way at a time, of all streams; further ones wait."""

PACE_S = (0.5, 2.0)
"""Seconds between two questions: while lines come, and at most where none do."""

SLOWER = 1.5
"""By how much the pause grows with each answer without lines."""

AWAY_S = 5.0
"""Seconds between two questions while the board or a part of the cloud is away."""

KEEP_ALIVE_S = 15.0
"""Seconds after which a silent stream says that it lives."""

LONGEST_S = 3600.0
"""Seconds after which a stream ends, and its client comes again: forgotten ones go."""

PROJECT = "x-iot-project"
"""Header of the core's answer: the project a stream counts for."""

AWAY = frozenset({"iot.board.offline", "iot.board.timeout", "iot.board.lost", "iot.unavailable"})
"""Codes of what passes by itself."""

MAX_LINES = 1000
"""Most lines in one answer of the core."""


class TooManyFollowers(errors.Error):
    """So many logs are followed by this project already."""

    code = "iot.log.too_many_followers"
    http_status = 429


class Followers:
    """All streams of one listener."""

    def __init__(self, reactor: ReactorBase, upstream: Core, origin: Origin) -> None:
        self.reactor = reactor
        self.upstream = upstream
        self.origin = origin
        self.count = 0
        self._of: Counter[str] = Counter()
        self._asked = 0
        self._waiting: deque[Follower] = deque()

    def begin(self, exchange: site.Exchange) -> Follower | None:
        """Answer a request for a stream; ``None`` when it is none of ours."""
        path, query = environ.split_target(exchange.uri)
        found = PATH.fullmatch(path)
        if found is None or exchange.method != b"GET":
            return None
        sender = _sender(exchange)
        if self.count >= MAX_FOLLOWERS:
            exchange.fail(errors.Busy(f"{MAX_FOLLOWERS} logs are followed here already"))
            return None
        if self._of[sender] >= MAX_OF_SENDER:
            exchange.fail(TooManyFollowers(f"at most {MAX_OF_SENDER} logs at a time"))
            return None
        try:
            follower = Follower(
                self, exchange, found[1].decode("latin-1"), query.decode("latin-1")
            )
        except errors.Error as error:
            exchange.fail(error)
            return None
        self.count += 1
        follower.counted.append(sender)
        self._of[sender] += 1
        self.ask(follower)
        return follower

    def takes(self, follower: Follower, project: str) -> bool:
        """Count a stream for its project; ``False`` when that has too many."""
        key = f"project {project}"
        if self._of[key] >= MAX_OF_PROJECT:
            return False
        self._of[key] += 1
        follower.counted.append(key)
        return True

    def forget(self, follower: Follower) -> None:
        """Count a stream no more."""
        self.count -= 1
        for key in follower.counted:
            self._of[key] -= 1
            if not self._of[key]:
                del self._of[key]
        if follower in self._waiting:
            self._waiting.remove(follower)

    def ask(self, follower: Follower) -> None:
        """Have a stream ask as soon as it is its turn."""
        self._waiting.append(follower)
        self._go_on()

    def answered(self) -> None:
        """Take note that a question has its answer."""
        self._asked -= 1
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and self._asked < MAX_ASKED:
            self._asked += 1
            self._waiting.popleft().question()


class Follower:
    """One stream.

    :param path: of the log
    :param query: of the request
    :raises errors.BadRequest: the id to go on from is none
    """

    def __init__(self, all_: Followers, exchange: site.Exchange, path: str, query: str) -> None:
        self.counted: list[str] = []
        """What it counts for."""
        self._all = all_
        self._exchange = exchange
        self._path = path
        self._query = query
        seen = exchange.requestHeaders.getRawHeaders(event_stream.LAST_EVENT_ID)
        self._after = event_stream.begun_after(seen[0] if seen else None)
        self._spoke_s = all_.reactor.seconds()
        self._pace_s = PACE_S[0]
        self._away = ""
        self._timer: DelayedCall | None = None
        self._limit = all_.reactor.callLater(LONGEST_S, self._end, "time")
        self._asking = True
        self._started = False
        self._paused = False
        self._over = False

    def question(self) -> None:
        """Ask the core for what came since."""
        exchange = self._exchange
        target = f"{self._path}?{self._asked_for()}".encode("latin-1")
        question = environ.build(
            self._all.origin,
            b"GET",
            target,
            str(getattr(exchange.client, "host", "")),
            0,
            exchange.requestHeaders.getAllRawHeaders(),
        )
        question.pop("CONTENT_TYPE", None)
        self._all.upstream.submit(Job(Asked(self._told), question, None, 0))

    def stop(self) -> None:
        """The client has gone."""
        if not self._over:
            self._over = True
            for timer in (self._timer, self._limit):
                if timer is not None and timer.active():
                    timer.cancel()
            self._all.forget(self)

    def _asked_for(self) -> str:
        """Return the query of the next question: the client's own until there are lines."""
        if self._started:
            return f"after={self._after}&lines={MAX_LINES}"
        if self._after is None:
            return self._query
        pairs = [pair for pair in parse_qsl(self._query, True) if pair[0] != "after"]
        return urlencode([*pairs, ("after", str(self._after))])

    def _told(self, answer: Asked) -> None:
        self._asking = False
        self._all.answered()
        if self._over:
            return
        try:
            self._take(answer)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            LOG.error("the core's answer cannot be read: %r", error)
            self._end("failed")

    def _take(self, answer: Asked) -> None:
        if answer.status == 200:
            part = orjson.loads(answer.body)
            if not self._started and not self._begin(answer):
                return
            self._give(part)
        elif not self._started:
            self.stop()
            answer.give(self._exchange)
        else:
            self._refused(answer)

    def _begin(self, answer: Asked) -> bool:
        if not self._all.takes(self, answer.header(PROJECT) or ""):
            self.stop()
            text = f"at most {MAX_OF_PROJECT} logs at a time for one project"
            self._exchange.fail(TooManyFollowers(text))
            return False
        self._started = True
        headers = [
            ("Content-Type", event_stream.MEDIA_TYPE),
            ("Openstack-Request-Id", self._exchange.request_id()),
            ("X-Content-Type-Options", "nosniff"),
            *event_stream.HEADERS.items(),
        ]
        self._exchange.start(200, headers, None, event_stream.retry())
        self._exchange.channel.registerProducer(self, True)
        return True

    def _give(self, part: Mapping[str, Any]) -> None:
        self._after = int(part["after"])
        if self._away:
            self._away = ""
            self._say(event_stream.event("state", {"state": "online"}))
        events = event_stream.lines_of(part)
        if events:
            self._say(events)
            self._pace_s = PACE_S[0]
        else:
            self._pace_s = min(PACE_S[1], self._pace_s * SLOWER)
        self._go_on(self._pace_s)

    def _refused(self, answer: Asked) -> None:
        """Wait for what passes; end with what does not."""
        code, wait_s = _code_of(answer), AWAY_S
        if answer.status == 429:
            wait_s = min(KEEP_ALIVE_S, float(answer.header("retry-after") or AWAY_S))
        elif code in AWAY or answer.status in (0, 503, 504):
            if code != self._away:
                self._away = code
                self._say(event_stream.event("state", {"state": "away", "code": code}))
        else:
            self._end(
                {404: "removed", 401: "refused", 403: "refused"}.get(answer.status, "failed")
            )
            return
        self._go_on(wait_s)

    def _go_on(self, wait_s: float) -> None:
        if self._all.reactor.seconds() - self._spoke_s >= KEEP_ALIVE_S:
            self._say(event_stream.KEEP_ALIVE)
        if not self._paused and not self._over:
            self._timer = self._all.reactor.callLater(wait_s, self._ask)

    def _ask(self) -> None:
        self._timer = None
        self._asking = True
        self._all.ask(self)

    def _say(self, data: bytes) -> None:
        self._spoke_s = self._all.reactor.seconds()
        self._exchange.send(data)

    def _end(self, reason: str) -> None:
        """Say why there is no more, and end the stream."""
        self.stop()
        if self._paused:
            self._exchange.cut()  # it takes nothing any more, not even this
            return
        if not self._started:
            self._exchange.fail(errors.Error("internal error; the log of the front says more"))
            return
        self._exchange.send(event_stream.event("end", {"reason": reason}))
        if not self._exchange.gone:
            self._exchange.channel.unregisterProducer()
        self._exchange.end()

    # -- a slow client, called by the channel -----------------------------------------

    def pauseProducing(self) -> None:
        """Ask for no more: the client is slower."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Ask again."""
        if self._paused:
            self._paused = False
            if not (self._asking or self._timer or self._over):
                self._go_on(0)

    def stopProducing(self) -> None:
        """The client has gone."""
        self.stop()


def _sender(exchange: site.Exchange) -> str:
    """Return what stands for the sender's credentials."""
    digest = hashlib.sha256()
    for name in CREDENTIALS:
        for value in exchange.requestHeaders.getRawHeaders(name) or ():
            digest.update(name + b"\0" + value + b"\0")
    return digest.hexdigest()


def _code_of(answer: Asked) -> str:
    if answer.error is not None:
        return answer.error.code
    try:
        told = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return ""
    return str(told.get("code", "")) if isinstance(told, dict) else ""
