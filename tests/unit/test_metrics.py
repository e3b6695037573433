"""What processes count: cheap, bounded, from many threads."""

from __future__ import annotations

import threading
import timeit

from iotronic_mec import metrics
from iotronic_mec.metrics import BOUNDS_S, MAX_SERIES, OTHER, Counter, Gauge, Times


def test_counting_from_threads() -> None:
    """Nothing is lost when many threads count at once."""
    counter = Counter("x", "x", ("kind",))
    times = Times("y", "y")

    def work() -> None:
        for _ in range(2000):
            counter.add("a")
            times.add(0.002)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counter.read("a") == 16_000
    assert times.read() == 16_000


def test_a_time_falls_into_its_range() -> None:
    """Bounds belong to their range, what is longer than all to the last; the sum is kept."""
    times = Times("x", "x", ("kind",))

    for took_s in (0.0, BOUNDS_S[0], BOUNDS_S[0] * 1.01, BOUNDS_S[-1] + 1):
        times.add(took_s, "a")

    ((labels, counts, total),) = times.series()
    assert labels == ["a"]
    assert counts[:2] == [2, 1]
    assert counts[-1] == 1
    assert sum(counts) == 4
    assert total > BOUNDS_S[-1]


def test_labels_without_end_are_bounded() -> None:
    """Series beyond the bound count as one."""
    counter, times = Counter("x", "x", ("kind",)), Times("y", "y", ("a", "b"))

    for number in range(MAX_SERIES + 50):
        counter.add(str(number))
        times.add(0.1, str(number), "b")

    assert len(counter.series()) == len(times.series()) == MAX_SERIES + 1
    assert counter.read(OTHER) == 50
    assert times.read(OTHER, OTHER) == 50


def test_a_gauge_nobody_tells_is_absent() -> None:
    """A number appears once somebody says how it is read."""
    gauge = Gauge("x", "x")
    assert gauge.series() == []

    gauge.watch(lambda: 7)

    assert gauge.series() == [[[], 7.0]]


def test_names_are_those_prometheus_asks_for() -> None:
    """One prefix, base units, each explained, no name twice."""
    names = [each.name for each in metrics.INSTRUMENTS]

    assert len(set(names)) == len(names)
    for each in metrics.INSTRUMENTS:
        assert each.name.startswith("iotronic_")
        assert each.told.endswith(".")
        assert each.kind != "times" or each.name.endswith("_seconds")


def test_recording_is_cheap() -> None:
    """To count and time a request costs far less than 20 µs."""
    times, counter = Times("x", "x", ("a", "b", "c")), Counter("y", "y", ("a",))

    def record() -> None:
        times.add(0.003, "GET", "/v1/boards", "2xx")
        counter.add("a")

    best_s = min(timeit.repeat(record, number=2000, repeat=7)) / 2000

    assert best_s < 20e-6
