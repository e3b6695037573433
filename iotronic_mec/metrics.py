"""What this process counts and times, for the operator's graphs.

Instruments are the process's own, like its loggers: made here, at import. To record
costs about a microsecond, whether anybody reads or not; nothing of a library is
loaded. Labels come from closed sets (routes, methods, states, classes of errors),
never from tenants' names, and each instrument has a bound all the same. Any thread.

Source: Prometheus, "Metric and label naming" and "Instrumentation".
"""

from __future__ import annotations

import os
import sys
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from iotronic_mec import __version__

MAX_SERIES = 1000
"""Most combinations of labels of one instrument; what comes later counts as ``other``."""

OTHER = "other"

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
"""Upper bounds of the ranges of times, seconds."""

_STATM = Path("/proc/self/statm")

Snapshot = list[dict[str, Any]]
"""JSON-ready: ``name``, ``kind``, ``help``, ``labels`` and ``series`` of each instrument;
a series is ``[values of the labels, number]``, or for times ``[values, counts, sum]``."""


class Counter:
    """Counts what happens.

    :param labels: names of what is told apart
    """

    kind = "counter"

    def __init__(self, name: str, told: str, labels: Sequence[str] = ()) -> None:
        self.name = name
        self.told = told
        self.labels = tuple(labels)
        self._lock = threading.Lock()
        self._series: dict[tuple[str, ...], float] = {}

    def add(self, *values: str, by: float = 1.0) -> None:
        """Count one more (or ``by``)."""
        with self._lock:
            if values not in self._series and len(self._series) >= MAX_SERIES:
                values = (OTHER,) * len(self.labels)
            self._series[values] = self._series.get(values, 0.0) + by

    def read(self, *values: str) -> float:
        """Return what was counted."""
        return self._series.get(values, 0.0)

    def series(self) -> list[list[Any]]:
        """Return a copy of all series."""
        with self._lock:
            return [[list(values), number] for values, number in self._series.items()]


class Times:
    """Counts by how long it took.

    :param labels: names of what is told apart
    """

    kind = "times"

    def __init__(self, name: str, told: str, labels: Sequence[str] = ()) -> None:
        self.name = name
        self.told = told
        self.labels = tuple(labels)
        self._lock = threading.Lock()
        self._series: dict[tuple[str, ...], list[float]] = {}

    def add(self, took_s: float, *values: str) -> None:
        """Count one that took so long, seconds."""
        place = bisect_left(BOUNDS_S, took_s)
        with self._lock:
            found = self._series.get(values)
            if found is None:
                if len(self._series) >= MAX_SERIES:
                    values = (OTHER,) * len(self.labels)
                # one for each range, one for what is longer, and the sum
                found = self._series.setdefault(values, [0.0] * (len(BOUNDS_S) + 2))
            found[place] += 1
            found[-1] += took_s

    def read(self, *values: str) -> float:
        """Return how many were counted."""
        return sum(self._series.get(values, [0.0])[:-1])

    def series(self) -> list[list[Any]]:
        """Return a copy of all series."""
        with self._lock:
            return [[list(key), found[:-1], found[-1]] for key, found in self._series.items()]


class Gauge:
    """A number that is read when somebody asks; absent while nobody tells it."""

    kind = "gauge"
    labels: tuple[str, ...] = ()

    def __init__(self, name: str, told: str) -> None:
        self.name = name
        self.told = told
        self._read: Callable[[], float] | None = None

    def watch(self, read: Callable[[], float]) -> None:
        """Say how it is read: quickly, from the thread of whoever asks."""
        self._read = read

    def series(self) -> list[list[Any]]:
        """Return the number of now, or nothing."""
        return [] if self._read is None else [[[], float(self._read())]]


HTTP = Times(
    "iotronic_http_request_seconds",
    "Requests of the API by route, from the first hook to the head of the answer.",
    ("method", "route", "status"),
)
CALLS = Times(
    "iotronic_conductor_call_seconds",
    "Calls of the conductor by method; refused is an error of ours, failed is not.",
    ("method", "outcome"),
)
BOARD_CALLS = Times(
    "iotronic_board_call_seconds",
    "Calls of the wamp agent to boards; the outcome is ok or the kind of the error.",
    ("outcome",),
)
COMMITS = Times(
    "iotronic_database_commit_seconds",
    "Transactions of the writer, from their begin until they are durable.",
)
ANSWERS = Counter(
    "iotronic_gateway_answers",
    "Answers of the reactor's HTTP listeners by class of status.",
    ("origin", "status"),
)
OPERATIONS = Counter(
    "iotronic_operations_ended",
    "Operations that were recorded as ended, by their last state.",
    ("state",),
)
LIMITED = Counter(
    "iotronic_limited_requests",
    "Requests refused by a rate limit or the throttling of wrong passwords and tokens.",
    ("limit",),
)
WRITERS = Gauge("iotronic_database_writers_waiting", "Callers that wait for the writer.")
EVENTS_BEHIND = Gauge(
    "iotronic_events_behind",
    "Events the slowest consumer has not got yet; only where the process leads.",
)
LEADS = Gauge("iotronic_leads", "Whether this process does what only one conductor may.")
BOARDS_ONLINE = Gauge("iotronic_boards_online", "Boards that serve orders at this wamp agent.")
SESSIONS = Gauge("iotronic_wamp_sessions", "Sessions of boards at this wamp agent's router.")
ROUTER_UP = Gauge("iotronic_router_up", "Whether boards may log in at this wamp agent.")

_STARTED = time.time()

_PROCESS = (
    Gauge("iotronic_process_resident_bytes", "Memory of the process that is in use."),
    Gauge("iotronic_process_cpu_seconds", "Processor time the process has used."),
    Gauge("iotronic_process_threads", "Threads of the process."),
    Gauge("iotronic_process_start_time_seconds", "When the process began, since 1970."),
)


def _resident_bytes() -> float:
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


for _gauge, _reading in zip(
    _PROCESS,
    (_resident_bytes, time.process_time, threading.active_count, lambda: _STARTED),
    strict=True,
):
    _gauge.watch(_reading)

INSTRUMENTS: tuple[Counter | Times | Gauge, ...] = (
    HTTP,
    CALLS,
    BOARD_CALLS,
    COMMITS,
    ANSWERS,
    OPERATIONS,
    LIMITED,
    WRITERS,
    EVENTS_BEHIND,
    LEADS,
    BOARDS_ONLINE,
    SESSIONS,
    ROUTER_UP,
    *_PROCESS,
)
"""All of them."""


def snapshot() -> Snapshot:
    """Return all numbers of this process."""
    python = ".".join(map(str, sys.version_info[:3]))
    found: Snapshot = [
        {
            "name": "iotronic_build_info",
            "kind": "gauge",
            "help": "What runs.",
            "labels": ["version", "python"],
            "series": [[[__version__, python], 1.0]],
        }
    ]
    for each in INSTRUMENTS:
        found.append(
            {
                "name": each.name,
                "kind": each.kind,
                "help": each.told,
                "labels": list(each.labels),
                "series": each.series(),
            }
        )
    return found
