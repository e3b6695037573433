"""Hands events from the outbox to the consumers, in order, at least once.

One thread per process. A consumer that fails keeps its position and is tried
again with back-off; the others go on. The thread is a rim: whatever a consumer
or the relay itself raises is logged and counted, and ends neither. Of several
conductors only the one that leads hands events on; one that begins to lead
goes on from the positions saved.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from iotronic_mec.db.types import to_micros
from iotronic_mec.errors import Error
from iotronic_mec.events import outbox
from iotronic_mec.feature import Consumer, Parts

LOG = logging.getLogger(__name__)

BATCH = 200
"""Most events read at once."""

SAVE_EVERY_S = 1.0
"""Positions are written at most this often, seconds: after a crash events of
the last second come again, which at-least-once allows."""

GATHER_S = 0.05
"""Pause after news, seconds: events that come together are read together, and
the relay does not compete with each single call."""

POLL_S = 0.25
"""How often the relay looks by itself where other processes write too, seconds."""

PRUNE_BATCH = 5_000
"""Most events deleted in one transaction: others wait for the writer."""

PRUNE_EVERY_S = 600.0
"""Seconds between deletions of old events."""

MAX_BACKOFF_S = 30.0
"""Longest pause before a failing consumer is tried again, seconds."""


def _backoff_s(failures: int) -> float:
    return float(min(MAX_BACKOFF_S, 0.2 * 2 ** min(failures, 10)))


@dataclass(slots=True)
class _Progress:
    """One consumer's place and its pause after failures."""

    consumer: Consumer
    sequence: int
    saved: int
    failures: int = 0
    not_before: float = 0.0


class Relay:
    """The relay thread.

    :param parts: handed to the consumers
    :param consumers: all of them
    :param leads: whether this process is the one that hands events on
    """

    def __init__(
        self,
        parts: Parts,
        consumers: Iterable[Consumer],
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._parts = parts
        self._leads = leads
        self._led = False
        self._consumers = tuple(consumers)
        self._news = threading.Event()
        self._stop = threading.Event()
        self._saved_at = 0.0
        self._pruned_at = 0.0
        self._progress: list[_Progress] = []
        self.failures = 0
        """How often the relay itself has failed in a row; consumers count theirs."""
        self._thread = threading.Thread(target=self._run, name="event-relay", daemon=True)

    def start(self) -> None:
        """Begin; every commit from now on wakes the thread."""
        self._parts.database.after_commit(self._news.set)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and save the positions; waits up to 5 s."""
        self._stop.set()
        self._news.set()
        self._thread.join(5)
        if self._led and self._leads():
            self._save()

    def step(self) -> bool:
        """Hand on what there is; say whether there may be more. For tests too."""
        if not self._leads():
            self._led = False
            return False
        if not self._led:
            self._load()
            self._led = True
        more = False
        for progress in self._progress:
            more = self._advance(progress) or more
        now = self._parts.clock.monotonic()
        if now - self._saved_at >= SAVE_EVERY_S:
            self._saved_at = now
            self._save()
        if now - self._pruned_at >= PRUNE_EVERY_S:
            self._pruned_at = now
            self._prune()
        return more

    def behind(self) -> int:
        """Return how many events the slowest consumer has not got; 0 where another leads."""
        reached = [progress.sequence for progress in self._progress]
        if not self._led or not reached:
            return 0
        with self._parts.database.read() as connection:
            return max(0, outbox.last(connection) - min(reached))

    def _load(self) -> None:
        """Begin where the positions were saved, by this process or another one."""
        self._progress = []
        with self._parts.database.read() as connection:
            for consumer in self._consumers:
                sequence = outbox.position(connection, consumer.name)
                self._progress.append(_Progress(consumer, sequence, sequence))

    def _run(self) -> None:
        pause_s = SAVE_EVERY_S if self._parts.database.exclusive else POLL_S
        while not self._stop.is_set():
            if self._news.wait(pause_s):
                self._stop.wait(GATHER_S)
            self._news.clear()
            try:
                while self.step() and not self._stop.is_set():
                    pass
                self.failures = 0
            except Error as error:
                LOG.warning("the event relay goes on after: %s", error.message)
                self._stop.wait(self._failed())
            except Exception:
                LOG.exception("the event relay goes on after %d failures", self.failures + 1)
                self._stop.wait(self._failed())

    def _failed(self) -> float:
        """Count a failure of the relay; return the seconds to wait."""
        self.failures += 1
        return _backoff_s(self.failures)

    def _advance(self, progress: _Progress) -> bool:
        now = self._parts.clock.monotonic()
        if now < progress.not_before:
            return False
        with self._parts.database.read() as connection:
            # read first: what is written after it may have a topic of ours
            newest = outbox.last(connection)
            if newest <= progress.sequence:
                return False
            events = outbox.list_after(
                connection, progress.sequence, BATCH, progress.consumer.topics
            )
        for entry in events:
            if not self._leads():
                return False
            if not self._hand_on(progress, entry):
                progress.failures += 1
                progress.not_before = now + _backoff_s(progress.failures)
                return False
            progress.failures = 0
            progress.sequence = entry["sequence"]
        if len(events) == BATCH:
            return True
        # the rest is of topics nobody here wants
        progress.sequence = max(progress.sequence, newest)
        return False

    def _hand_on(self, progress: _Progress, entry: Mapping[str, Any]) -> bool:
        """Give one event to a consumer; say whether it took it."""
        name = progress.consumer.name
        try:
            progress.consumer.handle(self._parts, entry)
        except Error as error:
            sequence = entry["sequence"]
            LOG.warning("consumer %s: event %s comes again: %s", name, sequence, error.message)
            return False
        except Exception:
            LOG.exception("consumer %s: event %s comes again", name, entry["sequence"])
            return False
        return True

    def _save(self) -> None:
        behind = [progress for progress in self._progress if progress.sequence != progress.saved]
        if not behind:
            return

        def save(connection: Connection) -> None:
            for progress in behind:
                outbox.save_position(connection, progress.consumer.name, progress.sequence)

        # the write wakes the relay once more; it then finds nothing to save
        self._parts.database.write(save)
        for progress in behind:
            progress.saved = progress.sequence

    def _prune(self) -> None:
        keep = self._parts.settings.event_retention_s
        before = to_micros(self._parts.clock.now()) - int(keep * 1_000_000)
        while not self._stop.is_set():
            gone = self._parts.database.write(
                lambda connection: outbox.prune(connection, before, PRUNE_BATCH)
            )
            if gone < PRUNE_BATCH:
                return
