"""The control origin: everything goes to the core, except health checks and pings.

Reactor thread only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from twisted.internet.base import ReactorBase

from iotronic_mec import errors
from iotronic_mec.gateway import environ, follow, ping, site
from iotronic_mec.gateway.environ import Origin
from iotronic_mec.gateway.job import Core, Job

HEALTH = b"/healthcheck"
PARTS = b"/healthcheck/parts"
"""Where the core says who may see the parts, and how those are that it knows of."""

_NOT_OURS = frozenset(
    {
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "server",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers of the core's answer that this hop decides itself."""

Health = Callable[[], dict[str, str]]
"""States of the parts by name; ``"up"`` or a sentence that says why not."""


class ControlExchange(site.Exchange):
    """One request at the control origin."""

    site: ControlSite
    _job: Job | None = None
    _streaming = False
    _follower: follow.Follower | None = None

    def begin(self) -> None:
        """Answer the health check, or pass the request on to the core."""
        path = environ.split_target(self.uri)[0]
        if path == HEALTH and self.method in (b"GET", b"HEAD"):
            self._find_health()
            return
        if self.uri.startswith(ping.PREFIX) and self.site.pings.begin(self):
            return
        if follow.PATH.fullmatch(path) and self.method == b"GET":
            self._follower = self.site.followers.begin(self)
            return
        length, body = self.received_bytes, None
        if length and self.content is not None:
            # the body outlives this exchange when the client goes early
            body, self.content = self.content, None
            body.seek(0)
        passed = environ.build(
            self.site.origin,
            self.method,
            self.uri,
            str(getattr(self.client, "host", "")),
            length,
            self.requestHeaders.getAllRawHeaders(),
        )
        self._job = Job(self, passed, body, length)
        self.site.upstream.submit(self._job)

    def abandoned(self) -> None:
        """Let the rest of the answer be dropped; the client has gone."""
        if self._follower is not None:
            self._follower.stop()
        if self._job is not None:
            self._job.abandon()

    # -- the core's answer ------------------------------------------------------------

    def response(self, status: int, headers: list[list[str]], data: bytes, last: bool) -> None:
        """Pass the head on, and the first piece of the body."""
        kept = []
        length = len(data) if last else None
        for name, value in headers:
            lower = name.lower()
            if lower not in _NOT_OURS:
                kept.append((name, value))
            elif lower == "content-length" and value.isdecimal():
                if not last or self.method == b"HEAD":
                    length = int(value)
        self.start(status, kept, length, data)
        if last:
            self._complete()
        else:
            self._streaming = True
            self.channel.registerProducer(self, True)

    def piece(self, data: bytes, last: bool) -> None:
        """Pass a piece of the body on."""
        self.send(data)
        if last:
            self._complete()

    def failed(self, error: errors.Error) -> None:
        """Answer for the core, or break an answer that has begun."""
        self._job = None
        if self.startedWriting:
            self.cut()
        elif not self.gone:
            self.fail(error)

    def _complete(self) -> None:
        self._job = None
        if self._streaming and not self.gone:
            self.channel.unregisterProducer()
        self.end()

    # -- a slow client, called by the channel -----------------------------------------

    def pauseProducing(self) -> None:
        """Read no more from the core: the client is slower."""
        if self._job is not None:
            self._job.pause()

    def resumeProducing(self) -> None:
        """Read on from the core."""
        if self._job is not None:
            self._job.resume()

    def stopProducing(self) -> None:
        """Read on and drop."""
        self.abandoned()

    # -- health -----------------------------------------------------------------------

    def _find_health(self) -> None:
        """Answer at once; those with credentials after the core has said what they may see."""
        if not any(self.requestHeaders.hasHeader(name) for name in ping.CREDENTIALS):
            self._tell_health(None)
            return
        question = environ.build(
            self.site.origin,
            b"GET",
            PARTS,
            str(getattr(self.client, "host", "")),
            0,
            self.requestHeaders.getAllRawHeaders(),
        )
        question.pop("CONTENT_TYPE", None)
        self.site.upstream.submit(Job(ping.Asked(self._told), question, None, 0))

    def _told(self, answer: ping.Asked) -> None:
        parts = orjson.loads(answer.body)["parts"] if answer.status == 200 else None
        if not self.gone:
            self._tell_health(parts)

    def _tell_health(self, further: dict[str, str] | None) -> None:
        """Answer; the causes only with what an operator was told by the core."""
        parts = {**self.site.health(), **(further or {})}
        well = all(state == "up" for state in parts.values())
        headers: list[tuple[str, str]] = [("Cache-Control", "no-store")]
        if not well:
            headers.append(("Retry-After", "1"))
        body: dict[str, Any] = {"status": "ok" if well else "unavailable"}
        if further is not None:
            body["parts"] = parts
        self.answer_json(200 if well else 503, body, headers)


class ControlSite(site.Site):
    """The listener of the control origin.

    :param health: says how the parts are
    :param call: calls a board, for pings
    :param exchange: class of its requests
    """

    label = "control"

    def __init__(
        self,
        reactor: ReactorBase,
        upstream: Core,
        origin: Origin,
        health: Health,
        call: ping.Call,
        exchange: type[ControlExchange] = ControlExchange,
        **limits: Any,
    ) -> None:
        super().__init__(reactor, exchange, **limits)
        self.pings = ping.Pings(reactor, upstream, origin, call)
        self.followers = follow.Followers(reactor, upstream, origin)
        self.upstream = upstream
        self.origin = origin
        self.health = health
