"""The listener of a process with a reactor that Prometheus reads; reactor thread only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from iotronic_mec import errors
from iotronic_mec.gateway import environ, site

MAX_CONNECTIONS = 16
MAX_BODY_BYTES = 1024

Answer = Callable[[str, str, str], Awaitable[tuple[int, list[tuple[str, str]], bytes]]]
"""Called with method, path and ``Authorization``; gives status, headers and body."""


class ScrapeExchange(site.Exchange):
    """One request of Prometheus."""

    site: ScrapeSite

    def begin(self) -> None:
        """Answer, when all numbers are there."""
        sent = self.requestHeaders.getRawHeaders(b"authorization") or (b"",)
        asked = Deferred.fromCoroutine(
            self._run(
                self.method.decode("latin-1"),
                environ.split_target(self.uri)[0].decode("latin-1"),
                sent[0].decode("latin-1"),
            )
        )
        asked.addErrback(self._broken)

    async def _run(self, method: str, path: str, authorization: str) -> None:
        status, headers, body = await self.site.give(method, path, authorization)
        if not self.gone:
            self.answer(status, headers, body)

    def _broken(self, failure: Failure) -> None:
        site.LOG.error("the metrics cannot be told: %s", failure.getTraceback())
        if not self.gone:
            self.fail(errors.Error("internal error; the log says more"))


class ScrapeSite(site.Site):
    """The listener.

    :param give: makes the answers
    """

    label = "metrics"

    def __init__(self, reactor: ReactorBase, give: Answer, **limits: Any) -> None:
        bounds = {"max_connections": MAX_CONNECTIONS, "max_body_bytes": MAX_BODY_BYTES}
        super().__init__(reactor, ScrapeExchange, **{**bounds, **limits})
        self.give = give
