"""The reactor's end of the bus: contact, reading anew, calls both ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from iotronic_mec import errors
from iotronic_mec.bridge.bus import CONTACT_EVERY_S, REFRESH_S, BusEnd
from iotronic_mec.context import Context
from lightning_agent.protocol.log_lines import NOBODY, Asking, asking


class NowThreads:
    """Runs everything at once, in this thread."""

    def to_thread(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        """Run it."""
        try:
            return succeed(function(*arguments))
        except errors.Error as error:
            return fail(error)

    def call(self, function: Callable[..., Any], *arguments: Any, timeout_s: float) -> Any:
        """Run it and take the result of its Deferred."""
        found: list[Any] = []
        Deferred.fromCoroutine(function(*arguments)).addBoth(found.append)
        if isinstance(found[0], BaseException) or hasattr(found[0], "raiseException"):
            found[0].raiseException()
        return found[0]


class Calls:
    """A conductor that answers, or does not."""

    def __init__(self) -> None:
        self.there = True
        self.asked: list[tuple[Context, str, str, dict[str, Any], float]] = []
        self.told: list[tuple[str, str, dict[str, Any]]] = []

    def ask(
        self, context: Context, namespace: str, method: str, arguments: dict[str, Any], s: float
    ) -> Any:
        """Note the call."""
        self.asked.append((context, namespace, method, arguments, s))
        return "answer"

    def tell(self, context: Context, namespace: str, method: str, arguments: Any) -> None:
        """Note the cast."""
        self.told.append((namespace, method, arguments))

    def ping(self, timeout_s: float) -> None:
        """Answer when there."""
        if not self.there:
            raise errors.Unavailable("nobody")


class Rig:
    """The end with a clock of the test's own."""

    def __init__(self) -> None:
        self.clock, self.calls = Clock(), Calls()
        self.end = BusEnd(self.clock, NowThreads(), self.calls)  # type: ignore[arg-type]
        self.read: list[float] = []
        self.end.watch(lambda: self.read.append(self.clock.seconds()))


@pytest.fixture
def rig() -> Rig:
    """Return an end that was not started."""
    return Rig()


def test_it_is_up_when_a_conductor_answers(rig: Rig) -> None:
    """It asks until somebody answers; then those who watch read everything."""
    rig.calls.there = False
    rig.end.start()
    before = rig.end.up, list(rig.read)
    rig.calls.there = True

    rig.clock.advance(CONTACT_EVERY_S)

    assert before == (False, [])
    assert rig.end.up
    assert rig.read == [CONTACT_EVERY_S]


def test_everything_is_read_again_from_time_to_time(rig: Rig) -> None:
    """A fan-out that was missed is made good within the refresh time."""
    rig.end.start()

    rig.clock.advance(REFRESH_S * 1.2)

    assert len(rig.read) == 2


def test_calls_carry_the_clouds_own_context(rig: Rig) -> None:
    """The conductor sees the cloud itself, with a request id and the limit."""
    rig.end.start()
    got: list[Any] = []
    rig.end.call("board", "joined", {"board": "b"}, 7.0).addCallback(got.append)

    ((context, namespace, method, arguments, limit_s),) = rig.calls.asked
    assert got == ["answer"]
    assert (namespace, method, arguments, limit_s) == ("board", "joined", {"board": "b"}, 7.0)
    assert context.system
    assert context.request_id.startswith("req-")
    assert context.remaining_s() <= 7.0


def test_casts_wait_for_the_first_contact(rig: Rig) -> None:
    """Before it ``cast`` says that nothing was sent."""
    assert rig.end.cast("board", "refusals", {}) is False
    rig.end.start()
    assert rig.end.cast("board", "refusals", {"entries": []}) is True

    assert rig.calls.told == [("board", "refusals", {"entries": []})]


def test_calls_of_the_conductor_are_answered(rig: Rig) -> None:
    """A served method answers, errors are data, an unknown method is not found."""

    async def put(arguments: dict[str, Any], remaining_s: float) -> dict[str, Any]:
        return {**arguments, "s": remaining_s}

    async def offline(arguments: dict[str, Any], remaining_s: float) -> None:
        raise errors.BoardOffline("away")

    rig.end.serve("directory", {"put": put, "offline": offline})

    assert rig.end.answer({"ns": "directory", "m": "put", "a": {"x": 1}, "s": 2.0}) == {
        "r": {"x": 1, "s": 2.0}
    }
    refused = rig.end.answer({"ns": "directory", "m": "offline", "a": {}, "s": 2.0})["e"]
    assert refused["code"] == errors.BoardOffline.code
    unknown = rig.end.answer({"ns": "directory", "m": "no", "a": {}, "s": 2.0})["e"]
    assert unknown["http_status"] == 404
    late = rig.end.answer({"ns": "directory", "m": "put", "a": {}, "s": 0.0})["e"]
    assert late["code"] == errors.DeadlineExceeded.code


def test_log_lines_of_a_call_say_who_asked(rig: Rig) -> None:
    """A handler runs in the name of the caller, and nobody else does after it."""
    found: list[Asking] = []

    async def put(arguments: dict[str, Any], remaining_s: float) -> None:
        found.append(asking())

    rig.end.serve("directory", {"put": put})
    context = {"request_id": "req-1", "user": "ann", "project": "red"}

    rig.end.answer({"ns": "directory", "m": "put", "a": {}, "s": 2.0, "c": context})

    assert found == [Asking("req-1", "ann", "red")]
    assert asking() == NOBODY


def test_a_stopped_end_asks_no_more(rig: Rig) -> None:
    """After the stop no timer is left."""
    rig.end.start()

    rig.end.stop()

    assert not rig.end.up
    assert rig.clock.getDelayedCalls() == []
