"""Runs the features' repeated work, each in its own rhythm, in one thread.

The thread is a rim: whatever a piece of work raises is logged and counted, and
the work runs again after a pause that grows with its failures in a row. Of
several conductors only the one that leads does it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from iotronic_mec.errors import Error
from iotronic_mec.feature import Parts, Periodic

LOG = logging.getLogger(__name__)

TICK_S = 0.5
"""How often the thread looks for work that is due, seconds."""

MAX_BACKOFF_S = 60.0
"""Longest pause before work that fails again and again, seconds."""


class PeriodicRunner:
    """The thread of repeated work.

    :param parts: handed to the work
    :param commands: all commands by namespace
    :param periodics: the work
    :param leads: whether this process is the one that does it, asked before
        each piece
    """

    def __init__(
        self,
        parts: Parts,
        commands: Mapping[str, Any],
        periodics: Iterable[Periodic],
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._parts = parts
        self._leads = leads
        self._commands = commands
        self._due = dict.fromkeys(periodics, 0.0)
        self.failures = dict.fromkeys((periodic.name for periodic in self._due), 0)
        """Work to how often it has failed in a row."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="periodic", daemon=True)

    def start(self) -> None:
        """Run what has to be run at the start, then begin."""
        now = self._parts.clock.monotonic()
        for periodic in self._due:
            if periodic.at_start and self._leads():
                self._once(periodic)
            self._due[periodic] = now + self._pause_s(periodic)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; waits up to 5 s for the work under way."""
        self._stop.set()
        self._thread.join(5)

    def step(self) -> None:
        """Run what is due now; for tests too."""
        for periodic, due in self._due.items():
            if self._parts.clock.monotonic() < due or self._stop.is_set():
                continue
            if self._leads():
                self._once(periodic)
                self._due[periodic] = self._parts.clock.monotonic() + self._pause_s(periodic)

    def _run(self) -> None:
        while not self._stop.wait(TICK_S):
            self.step()

    def _once(self, periodic: Periodic) -> None:
        try:
            periodic.run(self._parts, self._commands)
        except Error as error:
            self.failures[periodic.name] += 1
            LOG.warning("%s will run again: %s", periodic.name, error.message)
        except Exception:
            self.failures[periodic.name] += 1
            LOG.exception(
                "%s failed %d times and will run again",
                periodic.name,
                self.failures[periodic.name],
            )
        else:
            self.failures[periodic.name] = 0

    def _pause_s(self, periodic: Periodic) -> float:
        """Return seconds until the next run; a first failure changes nothing."""
        further = max(0, self.failures[periodic.name] - 1)
        longest = max(periodic.every_s, MAX_BACKOFF_S)
        return float(min(longest, periodic.every_s * 2 ** min(further, 10)))
