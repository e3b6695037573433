"""The data road of a gateway that is a process of its own.

What the gateway of standalone has beside it is somewhere on the message bus here:
an API says who may, the board's wamp agent calls the board. Both block, so both
run in threads, each in a pool of its own: boards that do not answer hold up
neither the questions nor anything else of the process. Reactor thread only.
"""

from __future__ import annotations

import time
from typing import Any

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from iotronic_mec import errors
from iotronic_mec.bridge.threads import Threads
from iotronic_mec.context import system_context
from iotronic_mec.gateway import environ, follow, ping
from iotronic_mec.gateway.control import HEALTH, ControlExchange, ControlSite, Health
from iotronic_mec.gateway.environ import Origin
from iotronic_mec.gateway.job import Job
from iotronic_mec.rpc.boards import ANSWER_MARGIN_S, Boards
from iotronic_mec.rpc.bus import BusApis
from lightning_agent.protocol.checks import MAX_TEXT
from lightning_agent.protocol.log_lines import asking

MAX_BODY_BYTES = 8 * MAX_TEXT
"""Longest body of a ping, bytes; with it a question fits into one message of the bus."""

ASKING = 16
"""Questions to the APIs that are under way at a time; further ones wait."""

MAX_ASKED = 256
"""Most questions under way or waiting; one more is ``Busy``."""

CALLING = 64
"""Calls to boards that are under way at a time; one more is ``Busy``."""

ASK_LIMIT_S = 15.0
"""Seconds for a question with its wait. Longer than a ping by a board's name, which an
API answers by calling the board itself."""


class BusRoad:
    """The message bus as the data road uses it.

    :param apis: the APIs on it
    :param boards: the boards, by their wamp agents
    """

    def __init__(self, reactor: ReactorBase, apis: BusApis, boards: Boards) -> None:
        self._apis = apis
        self._boards = boards
        self._asking = Threads(reactor, workers=ASKING, max_waiting=MAX_ASKED)
        self._calling = Threads(reactor, workers=CALLING, max_waiting=CALLING)

    def stop(self) -> None:
        """Take no more; what is under way is dropped."""
        self._asking.stop()
        self._calling.stop()

    def submit(self, job: Job) -> None:
        """Have an API answer a request; its asker is told, in any case."""
        body = b""
        if job.body is not None:
            body = job.body.read(job.length)
            job.body.close()
        context = system_context(ASK_LIMIT_S)
        asked = self._asking.to_thread(self._apis.ask, context, job.environ, body)
        asked.addCallbacks(_tell, _tell_failure, callbackArgs=(job,), errbackArgs=(job,))

    def call(self, arguments: dict[str, Any], limit_s: float) -> Deferred[Any]:
        """Call a procedure of a board through its wamp agent; see ``ping.Call``."""
        context = system_context(limit_s + ANSWER_MARGIN_S, asking().request_id)
        until_s = time.monotonic() + limit_s

        def run() -> dict[str, Any]:
            return self._boards.call(
                context,
                arguments["agent"],
                arguments["board"],
                arguments["procedure"],
                arguments["message"],
                max(0.0, until_s - time.monotonic()),
            )

        return self._calling.to_thread(run)


class RoadExchange(ControlExchange):
    """One request at the gateway's listener for the control origin."""

    def begin(self) -> None:
        """Answer a ping, a followed log or a proxy's look; the rest of the origin is the APIs'."""
        path = environ.split_target(self.uri)[0]
        if path == HEALTH and self.method in (b"GET", b"HEAD"):
            self._tell_health(None)
        elif path.startswith(ping.PREFIX) or follow.PATH.fullmatch(path):
            super().begin()
        else:
            text = "a gateway answers pings and follows logs; the rest is the API's"
            self.fail(errors.NotFound(text))


class RoadSite(ControlSite):
    """The listener.

    :param health: says how the parts are
    """

    def __init__(
        self, reactor: ReactorBase, road: BusRoad, origin: Origin, health: Health
    ) -> None:
        super().__init__(
            reactor,
            road,
            origin,
            health,
            road.call,
            RoadExchange,
            max_body_bytes=MAX_BODY_BYTES,
        )


def _tell(answer: dict[str, Any], job: Job) -> None:
    if job.asker is not None:
        job.asker.response(
            int(answer["status"]), answer["headers"], str(answer["body"]).encode(), True
        )


def _tell_failure(failure: Failure, job: Job) -> None:
    if job.asker is None:
        return
    error = failure.value
    if not isinstance(error, errors.Error):
        error = errors.Error("internal error; the log of the gateway says more")
    job.asker.failed(error)
