"""Who leads: one at a time, another one after a death, at once after a farewell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iotronic_mec.clock import ManualClock
from iotronic_mec.db import leader
from iotronic_mec.db.engine import open_database
from iotronic_mec.db.leader import ACTS_S, BEAT_S, TIMEOUT_S, Leader
from iotronic_mec.db.lease_table import lease
from iotronic_mec.db.session import Database
from tests.fakes import engines


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Give a database that others may write too."""
    with engines.POOL.url(tmp_path) as url:
        made = open_database(url)
        made.exclusive = False
        # only the way of committing is SQLite's here
        made._on_server = lambda batch: made._by_driver(made._open(), batch)  # type: ignore[method-assign]
        yield made
        made.close()


def take_part(database: Database, *names: str) -> tuple[ManualClock, list[Leader]]:
    """Return processes that share a clock."""
    clock = ManualClock()
    return clock, [Leader(database, clock, name) for name in names]


def lives(database: Database, name: str) -> bool:
    """Whether a process counts as alive."""
    with database.read() as connection:
        return leader.lives(connection, name)


def test_one_leads(database: Database) -> None:
    """Who comes first leads, and goes on leading while it beats."""
    clock, (first, second) = take_part(database, "a", "b")
    seen = []

    for _ in range(10):
        first.step()
        second.step()
        seen.append((first.leads(), second.leads()))
        clock.advance(BEAT_S)

    assert set(seen) == {(True, False)}
    assert lives(database, "a") and lives(database, "b")


def test_after_a_death(database: Database) -> None:
    """When the beat stops the other one takes over, and the dead one is forgotten."""
    clock, (first, second) = take_part(database, "a", "b")
    first.step()
    second.step()

    clock.advance(TIMEOUT_S - 1)
    second.step()
    early = second.leads()
    clock.advance(1)
    second.step()

    assert (early, second.leads(), first.leads()) == (False, True, False)
    assert (lives(database, "a"), lives(database, "b")) == (False, True)


def test_one_that_comes_back(database: Database) -> None:
    """A leader that was away too long finds another one, and follows."""
    clock, (first, second) = take_part(database, "a", "b")
    first.step()
    second.step()
    clock.advance(TIMEOUT_S)
    second.step()

    first.step()

    assert (first.leads(), second.leads()) == (False, True)
    assert lives(database, "a")


def test_a_leader_without_beats_stops_acting(database: Database) -> None:
    """It stops by itself before anybody may take over."""
    clock, (only,) = take_part(database, "a")
    only.step()
    clock.advance(ACTS_S - 0.1)
    before = only.leads()

    clock.advance(0.1)

    assert (before, only.leads()) == (True, False)


def test_farewell(database: Database) -> None:
    """After an orderly end another one leads at its next beat."""
    _, (first, second) = take_part(database, "a", "b")
    first.start()
    second.step()
    first.stop()

    second.step()

    assert second.leads()
    assert not lives(database, "a")


@given(
    moves=st.lists(
        st.one_of(st.sampled_from(["a", "b", "c"]), st.floats(0.1, TIMEOUT_S * 1.5)), max_size=40
    )
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_never_two(database: Database, moves: list[str | float]) -> None:
    """Whoever beats when, two never act at once."""
    database.write(lambda connection: connection.execute(lease.delete()))
    clock, (a, b, c) = take_part(database, "a", "b", "c")
    processes = {"a": a, "b": b, "c": c}
    acting = []

    for move in moves:
        if isinstance(move, str):
            processes[move].step()
        else:
            clock.advance(move)
        acting.append(sum(each.leads() for each in processes.values()))

    assert max(acting, default=0) <= 1


def test_embedded(tmp_path: Path) -> None:
    """Alone on a file a process always leads and writes nothing."""
    with engines.Pool("sqlite").url(tmp_path) as url:
        database = open_database(url)
        only = Leader(database, ManualClock(), "a")

        only.start()

        assert only.leads()
        assert not lives(database, "a")
        only.stop()
        database.close()
