"""What time it is, by the cloud's word and a clock nobody can set.

The cloud's signed leases say when they were issued; from then on the kernel's
time since boot counts, which goes on in sleep and which setting the wall clock
does not touch. The last trusted time is kept on disk: after a reboot it goes on
from there, or from the wall clock where that is later; never from an earlier
moment, so that no lease gets longer. Loop's thread only.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from lightning_agent.clock import Clock

LOG = logging.getLogger(__name__)

FILE_NAME = "trusted_time.json"


class TrustedTime:
    """Seconds since 1970 in UTC, as trusted here.

    :param state_dir: existing folder of the agent
    """

    def __init__(self, state_dir: Path, clock: Clock) -> None:
        self._path = state_dir / FILE_NAME
        self._clock = clock
        self._time_s, self._at_s = self._restore()

    def now(self) -> float:
        """Return the trusted time, s."""
        return self._time_s + (self._clock.boottime() - self._at_s)

    def learn(self, issued_s: float, *, fresh: bool) -> None:
        """Take the time a signed lease was issued at.

        :param fresh: it has just come from the cloud, so it is the time; otherwise
            it may be old, and the time is at least that
        """
        if fresh or issued_s > self.now():
            self._time_s, self._at_s = issued_s, self._clock.boottime()
            self.keep()

    def keep(self) -> None:
        """Write down the present time; a disk that is full is logged."""
        stored = {"time_s": self.now(), "boot": self._clock.boot_id(), "at_s": self._at()}
        beside = self._path.with_name(f".{self._path.name}.new")
        try:
            with beside.open("w", encoding="ascii") as file:
                json.dump(stored, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            LOG.error("the trusted time cannot be kept: %s", error)

    def _at(self) -> float:
        return self._clock.boottime()

    def _restore(self) -> tuple[float, float]:
        here_s, wall_s = self._clock.boottime(), self._clock.now().timestamp()
        try:
            stored = json.loads(self._path.read_text(encoding="ascii"))
            time_s, at_s = float(stored["time_s"]), float(stored["at_s"])
            if stored["boot"] == self._clock.boot_id() and at_s <= here_s:
                return time_s, at_s
            return max(time_s, wall_s), here_s
        except FileNotFoundError:
            return wall_s, here_s
        except (OSError, ValueError, TypeError, KeyError) as error:
            LOG.error("%s cannot be used: %s", self._path, error)
            return wall_s, here_s
