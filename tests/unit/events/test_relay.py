"""The outbox and its relay: in order, at least once, and no consumer stops another."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from iotronic_mec import errors
from iotronic_mec.db.types import to_micros
from iotronic_mec.events import outbox, relay
from iotronic_mec.events.relay import MAX_BACKOFF_S, PRUNE_EVERY_S, SAVE_EVERY_S, Relay
from iotronic_mec.feature import Consumer
from tests.fakes.parts import PROJECT, Core, open_core


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    """Give the conductor's parts on a fresh database."""
    with open_core(tmp_path) as made:
        yield made


class Taker:
    """A consumer that notes what it gets and can be told to fail."""

    def __init__(self, name: str = "taker", *topics: str) -> None:
        self.taken: list[int] = []
        self.failures = 0
        self.planted: Exception = errors.Unavailable("planted")
        self.enough = threading.Event()
        self.consumer = Consumer(
            name=name, topics=frozenset(topics or ("a",)), handle=self._handle
        )

    def _handle(self, _parts: Any, event: Mapping[str, Any]) -> None:
        if self.failures:
            self.failures -= 1
            raise self.planted
        self.taken.append(event["body"]["n"])
        self.enough.set()


def emit(core: Core, *numbers: int, topic: str = "a") -> None:
    """Write events, one transaction each."""
    for number in numbers:
        core.database.write(lambda c, n=number: core.parts.emit(c, PROJECT, topic, "s", {"n": n}))


def ready(core: Core, *takers: Taker) -> Relay:
    """Return a relay whose thread is not started."""
    made = Relay(core.parts, [taker.consumer for taker in takers])
    made._load()
    made._led = True
    return made


def test_order_and_topics(core: Core) -> None:
    """A consumer gets the events of its topics in the order they were written."""
    taker = Taker("t", "a", "b")
    emit(core, 1, 2)
    emit(core, 3, topic="other")
    emit(core, 4, topic="b")

    ready(core, taker).step()

    assert taker.taken == [1, 2, 4]


def test_rolled_back_events_never_were(core: Core) -> None:
    """An event of a transaction that failed is not handed on."""
    taker = Taker()

    def change(connection: Any) -> None:
        core.parts.emit(connection, PROJECT, "a", "s", {"n": 1})
        raise LookupError

    with pytest.raises(LookupError):
        core.database.write(change)
    emit(core, 2)

    ready(core, taker).step()

    assert taker.taken == [2]


def test_failing_consumer_keeps_its_place(core: Core) -> None:
    """A failing consumer gets the same event again, the others go on meanwhile."""
    bad, good = Taker("bad"), Taker("good")
    bad.failures = 1
    emit(core, 1, 2, 3)
    relayed = ready(core, bad, good)

    relayed.step()
    during = list(bad.taken)
    core.clock.advance(MAX_BACKOFF_S)
    relayed.step()

    assert during == []
    assert bad.taken == good.taken == [1, 2, 3]


def test_back_off(core: Core) -> None:
    """Pauses of a consumer that goes on failing grow up to the limit."""
    bad = Taker()
    bad.failures = 10**6
    emit(core, 1)
    relayed = ready(core, bad)
    pauses = []

    for _ in range(12):
        relayed.step()
        (progress,) = relayed._progress
        pauses.append(round(progress.not_before - core.clock.monotonic(), 3))
        core.clock.advance(pauses[-1])

    assert pauses == sorted(pauses)
    assert pauses[0] < 1
    assert pauses[-1] == MAX_BACKOFF_S


def test_failing_for_days(core: Core) -> None:
    """After any number of failures the pause is the longest, and no error of ours."""
    bad = Taker()
    bad.failures = 1
    emit(core, 1)
    relayed = ready(core, bad)
    relayed._progress[0].failures = 100_000

    relayed.step()

    assert relayed._progress[0].not_before == MAX_BACKOFF_S


def test_no_try_during_the_pause(core: Core) -> None:
    """During its pause a consumer is left alone."""
    bad = Taker()
    bad.failures = 2
    emit(core, 1)
    relayed = ready(core, bad)

    relayed.step()
    relayed.step()

    assert bad.failures == 1


def test_restart(core: Core) -> None:
    """After a restart a consumer goes on where it was."""
    first, second = Taker(), Taker()
    emit(core, 1, 2)
    before = ready(core, first)
    core.clock.advance(SAVE_EVERY_S)
    before.step()
    emit(core, 3)

    ready(core, second).step()

    assert (first.taken, second.taken) == ([1, 2], [3])


def test_crash_repeats_but_loses_nothing(core: Core) -> None:
    """After a crash before the position was saved the events come again."""
    first, second = Taker(), Taker()
    emit(core, 1, 2)
    ready(core, first).step()

    ready(core, second).step()

    assert first.taken == second.taken == [1, 2]


def test_many_events(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """More events than one batch are handed on by further steps."""
    monkeypatch.setattr(relay, "BATCH", 2)
    taker = Taker()
    emit(core, *range(5))
    relayed = ready(core, taker)

    more = [relayed.step() for _ in range(3)]

    assert more == [True, True, False]
    assert taker.taken == list(range(5))


def test_prune(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old events are deleted, however many, and newer ones stay."""
    monkeypatch.setattr(relay, "PRUNE_BATCH", 2)
    emit(core, *range(5))
    core.clock.advance(core.parts.settings.event_retention_s + PRUNE_EVERY_S)
    emit(core, 9)

    ready(core, Taker()).step()

    assert [event["body"]["n"] for event in core.events()] == [9]


def test_numbers_are_never_used_twice(core: Core) -> None:
    """After all events were pruned the next one still has a higher number."""
    emit(core, 1)
    (before,) = core.events()
    core.database.write(lambda c: outbox.prune(c, to_micros(core.clock.now()) + 1, 10))

    emit(core, 2)

    (after,) = core.events()
    assert after["sequence"] > before["sequence"]


def test_large_body(core: Core) -> None:
    """A body over the limit is refused, with its transaction."""
    body = {"text": "x" * outbox.MAX_BODY_BYTES}

    with pytest.raises(errors.TooLarge):
        core.database.write(lambda c: core.parts.emit(c, PROJECT, "a", "s", body))

    assert core.events() == []


def test_thread(core: Core) -> None:
    """The thread wakes at a commit, and saves its position when it is stopped."""
    taker, later = Taker(), Taker()
    running = Relay(core.parts, [taker.consumer])
    running.start()

    emit(core, 1)

    assert taker.enough.wait(5)
    running.stop()
    ready(core, later).step()
    assert (taker.taken, later.taken) == ([1], [])


def test_a_mistake_in_a_consumer(core: Core, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, keeps its place and is tried again; the others go on."""
    bad, good = Taker("bad"), Taker("good")
    bad.failures, bad.planted = 1, ZeroDivisionError("planted")
    made = ready(core, bad, good)
    emit(core, 1, 2)

    made.step()
    core.clock.advance(MAX_BACKOFF_S)
    made.step()

    assert (bad.taken, good.taken) == ([1, 2], [1, 2])
    assert "ZeroDivisionError: planted" in caplog.text


def test_a_mistake_in_the_relay(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread survives whatever one step raises."""
    taker = Taker()
    made = Relay(core.parts, [taker.consumer])
    steps = iter([ZeroDivisionError("planted")])
    step = made.step

    def planted() -> bool:
        for error in steps:
            raise error
        return step()

    monkeypatch.setattr(made, "step", planted)
    made.start()
    emit(core, 1)
    taken = taker.enough.wait(5)
    made.stop()

    assert taken
    assert taker.taken == [1]


def test_events_of_other_topics_are_not_read(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no consumer wants moves its place on and costs no row."""
    taker = Taker()
    made = ready(core, taker)
    emit(core, 1, 2, topic="other")
    read: list[int] = []
    list_after = outbox.list_after

    def noted(*arguments: Any) -> list[dict[str, Any]]:
        found = list_after(*arguments)
        read.append(len(found))
        return found

    monkeypatch.setattr(outbox, "list_after", noted)

    made.step()
    made.step()
    emit(core, 3)
    made.step()

    assert read == [0, 1]
    assert taker.taken == [3]


def test_only_the_leader_hands_on(core: Core) -> None:
    """Of two conductors one hands events on; who takes over goes on where it had saved."""
    leads = {"first": True, "second": False}
    taken, later = Taker(), Taker()
    first = Relay(core.parts, [taken.consumer], lambda: leads["first"])
    second = Relay(core.parts, [later.consumer], lambda: leads["second"])
    emit(core, 1)
    first.step()
    second.step()
    first._save()
    leads["first"], leads["second"] = False, True
    emit(core, 2)

    first.step()
    second.step()

    assert (taken.taken, later.taken) == ([1], [2])
