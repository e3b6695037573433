"""Twisted's epoll reactor without a change of logging context for each event.

Twisted names the connection at hand for its old log messages; nothing here reads
that name, and it costs a tenth of the front's time for a request. What a
connection raises is caught and logged by the reactor as ever.

Import this before anything that imports ``twisted.internet.reactor``; where one is
installed already, that one stays.
"""

from __future__ import annotations

import errno
import sys
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor


class DirectReactor(EPollReactor):
    """Calls what is ready, and nothing around it."""

    def doPoll(self, timeout: float | None) -> None:
        """Wait for events and let their connections act; called by the loop."""
        own: Any = self
        try:
            ready = own._poller.poll(-1 if timeout is None else timeout, len(own._selectables))
        except OSError as error:
            if error.errno == errno.EINTR:
                return
            raise
        selectables, act = own._selectables, own._doReadOrWrite
        for number, event in ready:
            selectable = selectables.get(number)
            if selectable is not None:
                act(selectable, number, event)

    doIteration = doPoll


if "twisted.internet.reactor" not in sys.modules:
    installReactor(DirectReactor())  # type: ignore[no-untyped-call]

from twisted.internet import reactor  # noqa: E402 - the one installed above

__all__ = ["reactor"]
