"""How a site's API reaches its conductor: the transport ``pytest --transport`` names.

``local``: as in ``iotronic-mec standalone``, where both are in one process and a call
is a call. ``rabbitmq``: as between ``iotronic-mec-api`` and ``iotronic-mec-conductor``,
by oslo.messaging over a real broker; the conductor's calls to boards travel the same
way to a server that stands for the wamp agent, behind which the boards are fakes. A
broker that is not there is a failure, never a skip.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, cast

from iotronic_mec import errors
from iotronic_mec.context import Context
from iotronic_mec.rpc.boards import Boards
from iotronic_mec.rpc.bus import BusAgents, BusConductor
from iotronic_mec.rpc.client import Conductor
from iotronic_mec.rpc.listener import Answer, Listener
from iotronic_mec.rpc.server import Dispatcher
from iotronic_mec.rpc.transport import CONDUCTOR, WAMP, Transport
from tests.fakes.boards import FakeBoards
from tests.fakes.broker import private_conf, virtual_host

TRANSPORTS = ("local", "rabbitmq")

AGENT = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
"""The wamp agent that all boards of a site are bound to."""

START_LIMIT_S = 20.0
"""Seconds a server has to make its queues."""

END_LIMIT_S = 20.0
"""Seconds the calls under way have to end, when a site is closed."""


class Wire:
    """What is between the processes of one site; here nothing.

    :param boards: the fakes at its end
    """

    kind = "local"

    def __init__(self, boards: FakeBoards) -> None:
        self.boards = cast(Boards, boards)

    def serve(self, dispatcher: Dispatcher) -> Conductor:
        """Take calls for the conductor; return it as the API sees it."""
        return dispatcher


class BusWire(Wire):
    """A site's part of the message bus.

    :param lane: its queues
    """

    kind = "rabbitmq"

    def __init__(self, lane: Lane, boards: FakeBoards) -> None:
        super().__init__(boards)
        lane.agent.give(lambda frame: _answer_as_agent(boards, frame))
        self.boards = Boards(BusAgents(lane.inside))
        self.lane = lane

    def serve(self, dispatcher: Dispatcher) -> Conductor:
        """Have the conductor's queue read."""
        self.lane.conductor.give(dispatcher.answer)
        return BusConductor(self.lane.outside)


class Bus:
    """The connections of one run of the tests.

    Queues are made once and lent to one site after another, since to make them
    takes longer than most tests.

    :param kind: one of :data:`TRANSPORTS`
    """

    def __init__(self, kind: str = "local") -> None:
        self.kind = kind
        self.url = ""
        self._free: list[Lane] = []
        self._made: list[Lane] = []
        self._open = ExitStack()

    @contextmanager
    def wire(self, boards: FakeBoards) -> Iterator[Wire]:
        """Give what is between the API, the conductor and the boards of a site."""
        if self.kind == "local":
            yield Wire(boards)
            return
        lane = self._free.pop() if self._free else self._make()
        try:
            yield BusWire(lane, boards)
        finally:
            lane.clear()
            self._free.append(lane)

    def close(self) -> None:
        """Close the connections and remove the virtual host."""
        while self._made:
            self._made.pop().close()
        self._free.clear()
        self._open.close()

    def _make(self) -> Lane:
        if not self.url:
            self.url = self._open.enter_context(virtual_host())
        lane = Lane(self.url, f"site{len(self._made)}")
        self._made.append(lane)
        return lane


class Lane:
    """The queues of one site at a time, and who reads them.

    :param name: what sets its topics apart from those of other sites at the same time
    """

    def __init__(self, url: str, name: str) -> None:
        self.outside = _Apart(url, name)
        """The transport of the API's process."""
        self.inside = _Apart(url, name)
        """The transport of the conductor's process."""
        self._agents = _Apart(url, name)
        self.topic = self.inside.topic(CONDUCTOR)
        self.conductor = _Reader()
        self.agent = _Reader()
        self._listeners = [
            Listener(self.inside, self.topic, "one", self.conductor.answer),
            Listener(self._agents, self.inside.topic(WAMP), AGENT, self.agent.answer),
        ]
        for listener in self._listeners:
            listener.start()
        for listener in self._listeners:
            assert listener.started.wait(START_LIMIT_S), "the broker makes no queues"

    def clear(self) -> None:
        """Let what is under way end; what comes late meets nobody."""
        self.conductor.take()
        self.agent.take()

    def close(self) -> None:
        """Close the connections."""
        for listener in self._listeners:
            listener.stop(END_LIMIT_S)
        for transport in (self.outside, self.inside, self._agents):
            transport.close()


BUS = Bus()
"""Replaced by ``pytest_configure``."""


class _Apart(Transport):
    """A transport whose topics have a name added, so that sites do not meet."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__(private_conf(), url)
        self._name = name

    def topic(self, topic: str) -> str:
        """Return the topic's name on the bus."""
        return f"{topic}.{self._name}"

    def _client(self, topic: str, namespace: str, *, mandatory: bool = True) -> Any:
        return super()._client(self.topic(topic), namespace, mandatory=mandatory)


class _Reader:
    """Hands the calls of a queue to whoever has it now."""

    def __init__(self) -> None:
        self._owner: Answer | None = None
        self._running = 0
        self._change = threading.Condition()

    def give(self, owner: Answer) -> None:
        """Hand calls to this function from now on."""
        self._owner = owner

    def take(self) -> None:
        """Hand no more calls; return when those under way have ended.

        :raises AssertionError: they do not end
        """
        self._owner = None
        with self._change:
            ended = self._change.wait_for(lambda: not self._running, END_LIMIT_S)
        assert ended, f"{self._running} calls are still under way"

    def answer(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Run a call."""
        with self._change:
            self._running += 1
        try:
            owner = self._owner
            if owner is None:
                return {"e": errors.Unavailable("this site is closed").to_wire()}
            return owner(frame)
        finally:
            with self._change:
                self._running -= 1
                self._change.notify_all()


def _answer_as_agent(boards: FakeBoards, frame: dict[str, Any]) -> dict[str, Any]:
    """Carry one call out as a wamp agent does."""
    context, given = Context.from_wire(frame["c"]), frame["a"]
    try:
        if frame["ns"] == "board":
            return {"r": boards.call(context, AGENT, **given)}
        return {"r": boards.directory(context, AGENT, frame["m"], **given)}
    except errors.Error as error:
        return {"e": error.to_wire()}
