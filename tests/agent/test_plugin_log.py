"""The log of one plugin: numbered lines in a ring, read on from any of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lightning_agent.clock import Clock
from lightning_agent.supervisor.logs import (
    BURST_BYTES,
    MAX_READ_BYTES,
    RATE_BYTES_S,
    RING_BYTES,
    Logs,
    PluginLog,
    Record,
)


class ManualClock(Clock):
    """A clock that a test moves."""

    at_s = 0.0

    def monotonic(self) -> float:
        """Return the seconds moved so far."""
        return self.at_s

    def advance(self, seconds: float) -> None:
        """Move on."""
        self.at_s += seconds


@pytest.fixture
def clock() -> ManualClock:
    """Give a clock that stands still."""
    return ManualClock()


@pytest.fixture
def log(tmp_path: Path, clock: ManualClock) -> PluginLog:
    """Give an empty log."""
    return Logs(tmp_path, clock).of("p")


def texts(records: list[Record]) -> list[str]:
    """Return the texts of lines."""
    return [str(record["text"]) for record in records]


def numbers(records: list[Record]) -> list[int]:
    """Return the numbers of lines."""
    return [int(record["n"]) for record in records]


def fill(log: PluginLog, clock: ManualClock, count: int, letters: int = 1000) -> None:
    """Write lines as slowly as the rate wants it."""
    for number in range(count):
        log.write("log", [f"{number} ".ljust(letters, "x")])
        clock.advance((letters + 200) / RATE_BYTES_S)


def test_lines_are_read_on(log: PluginLog) -> None:
    """What was read is not read again; nothing new is nothing, and costs no number."""
    log.write("log", ["a", "b", "c"])

    first = log.read_after(0, 2)
    second = log.read_after(first.after, 2)
    third = log.read_after(second.after, 2)

    assert (texts(first.lines), first.after) == (["a", "b"], 2)
    assert (texts(second.lines), second.after) == (["c"], 3)
    assert (third.lines, third.after) == ([], 3)
    assert {first.missed, second.missed, third.missed} == {0}


def test_it_begins_with_the_newest(log: PluginLog) -> None:
    """Who has read nothing gets the newest lines, and is told where to go on."""
    log.write("log", ["a", "b", "c"])

    part = log.read_newest(2)

    assert (texts(part.lines), part.after, part.missed) == (["b", "c"], 3, 0)
    assert log.read_newest(9).lines == log.tail(9)


def test_an_empty_log(log: PluginLog) -> None:
    """There is nothing to read, from wherever."""
    assert [log.read_newest(5), log.read_after(0, 5), log.read_after(7, 5)] == [
        log.read_newest(1)
    ] * 3
    assert log.read_newest(1).after == 0


def test_lines_that_are_gone_are_counted(log: PluginLog, clock: ManualClock) -> None:
    """The ring stays within its size, and who was too slow is told how much is missing."""
    fill(log, clock, 3)
    seen = log.read_after(0, 3).after
    fill(log, clock, 1500)

    part = log.read_after(seen, 10)

    assert part.missed > 100
    assert numbers(part.lines)[0] == seen + part.missed + 1
    assert sum(path.stat().st_size for path in log_files(log)) <= RING_BYTES


def log_files(log: PluginLog) -> list[Path]:
    """Return the files of a log."""
    return list(log._path.parent.iterdir())


def test_all_is_read_by_who_keeps_up(log: PluginLog, clock: ManualClock) -> None:
    """Over many turns of the ring each line is read once, in order."""
    found: list[int] = []
    after = 0
    for _ in range(40):
        fill(log, clock, 60)
        while (part := log.read_after(after, 7)).lines:
            assert part.missed == 0
            found += numbers(part.lines)
            after = part.after

    assert found == list(range(1, 2401))


def test_numbers_go_on_after_a_restart(tmp_path: Path, clock: ManualClock) -> None:
    """A new supervisor numbers on, also where the newest file is empty or its end was cut."""
    Logs(tmp_path, clock).of("p").write("log", ["a", "b"])
    path = tmp_path / "p.log"
    path.rename(tmp_path / "p.log.1")
    with path.open("ab") as file:
        file.write(b'{"n": 3, "time": "cut by a cra')

    log = Logs(tmp_path, clock).of("p")

    assert log.last == 2
    log.write("log", ["c"])
    assert numbers(log.read_after(1, 9).lines) == [2, 3]


def test_a_log_begun_anew_is_all_new(tmp_path: Path, clock: ManualClock) -> None:
    """After its plugin was removed and came back, a reader gets the new lines."""
    logs = Logs(tmp_path, clock)
    logs.of("p").write("log", ["a"] * 9)
    seen = logs.of("p").last
    logs.remove("p")
    logs.of("p").write("log", ["b"])

    part = logs.of("p").read_after(seen, 9)

    assert (texts(part.lines), part.after, part.missed) == (["b"], 1, 0)


def test_lines_of_a_former_version(tmp_path: Path, clock: ManualClock) -> None:
    """Lines without a number are shown, not followed; new ones begin with 1."""
    old = {"time": "t", "stream": "log", "text": "old"}
    (tmp_path / "p.log").write_text(json.dumps(old) + "\n")
    log = Logs(tmp_path, clock).of("p")

    before = log.last
    log.write("log", ["new"])

    assert before == 0
    assert texts(log.tail(5)) == ["old", "new"]
    assert texts(log.read_after(0, 5).lines) == ["new"]


def test_one_answer_is_bounded(log: PluginLog, clock: ManualClock) -> None:
    """It has so many bytes at most, whatever is asked for, and at least one line."""
    fill(log, clock, 100, letters=4096)

    newest = log.read_newest(1000)
    oldest = log.read_after(0, 1000)

    for part in (newest, oldest):
        assert 1 < len(part.lines) < 20
        assert len(json.dumps(part.lines)) < MAX_READ_BYTES * 1.1
    assert newest.lines[-1]["n"] == newest.after == 100
    assert oldest.lines[0]["n"] == 1
    assert oldest.after == oldest.lines[-1]["n"]


def test_a_flood_is_dropped_and_told(tmp_path: Path, clock: ManualClock) -> None:
    """Beyond the rate lines are counted; numbers have no gap; each kept line is told of once."""
    told: list[Record] = []
    log = Logs(tmp_path, clock, told.append).of("p")
    log.write("stdout", ["x" * 1000] * 2000)
    clock.advance(1)
    log.write("stdout", ["after"])

    assert log.dropped > 1000
    assert numbers(told) == list(range(1, len(told) + 1))
    assert len(told) < 2 * BURST_BYTES / 1000
    assert texts(told)[-2:] == [f"{log.dropped} lines were dropped", "after"]
