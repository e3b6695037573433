"""Where a process with a reactor is read by Prometheus; standalone asks its core as well."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from twisted.internet.error import CannotListenError

from iotronic_mec import metrics
from iotronic_mec.bridge.ends import End
from iotronic_mec.cmd import metrics as pages
from iotronic_mec.errors import Error
from iotronic_mec.gateway.scrape import ScrapeSite
from iotronic_mec.metrics import Snapshot

LOG = logging.getLogger(__name__)

CORE_LIMIT_S = 3.0
"""Seconds the core has to tell its numbers; Prometheus waits 10 by default."""


def listen(reactor: Any, conf: Any, folder: Path, process: str, core: End | None = None) -> Any:
    """Listen where the configuration says; return the port, ``None`` for none.

    :param core: the link to a core whose numbers are told as well
    :raises Error: the option is wrong or the port is taken
    """
    place = pages.read_place(conf.metrics, folder)
    if place is None:
        return None

    async def numbers() -> dict[str, Snapshot | None]:
        found: dict[str, Snapshot | None] = {process: metrics.snapshot()}
        if core is not None:
            try:
                found["core"] = await core.call("metrics", "collect", {}, CORE_LIMIT_S)
            except Error as error:
                LOG.warning("the core does not tell its numbers: %s", error.message)
                found["core"] = None
        return found

    async def give(
        method: str, path: str, authorization: str
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        reply = pages.refusal(place, method, path, authorization)
        if reply is None:
            reply = pages.page(await numbers())
        return reply.status, [("Content-Type", reply.media_type), *pages.CLOSED], reply.body

    try:
        port = reactor.listenTCP(place.port, ScrapeSite(reactor, give), interface=place.host)
    except CannotListenError as error:
        raise pages.taken(place, str(error.socketError)) from error
    LOG.info("metrics are at http://%s:%d%s", place.host, place.port, pages.PATH)
    return port
