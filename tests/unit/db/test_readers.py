"""Reading connections of a server: bounded, lent to one thread, taken again."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest
from sqlalchemy import Engine

from iotronic_mec.db import readers as readers_module
from iotronic_mec.db import server
from iotronic_mec.db.readers import Readers
from iotronic_mec.errors import Busy


class Engines:
    """Makes connections that are only numbers."""

    def __init__(self) -> None:
        self.made = 0

    def connect(self) -> Any:
        """Make one more."""
        self.made += 1
        return self.made


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engines:
    """Return an engine whose connections are always usable."""
    monkeypatch.setattr(server, "is_usable", lambda connection: True)
    monkeypatch.setattr(server, "discard", lambda connection: None)
    return Engines()


def test_one_is_used_again(engine: Engines) -> None:
    """Reads one after another, and within one another, take one connection."""
    readers = Readers(cast(Engine, engine))

    with readers.lend() as outer, readers.lend() as inner:
        same = outer == inner
    with readers.lend() as later:
        again = later == outer

    assert (same, again, engine.made) == (True, True, 1)


def test_threads_have_their_own(engine: Engines) -> None:
    """Two threads at the same time never share one."""
    readers = Readers(cast(Engine, engine))
    other: list[Any] = []

    def read() -> None:
        with readers.lend() as connection:
            other.append(connection)

    with readers.lend() as mine:
        thread = threading.Thread(target=read)
        thread.start()
        thread.join(10)

    assert other != [mine]
    assert engine.made == 2


def test_no_more_than_the_bound(engine: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread more waits, and is told to come back; after that it is served."""
    monkeypatch.setattr(readers_module, "WAIT_S", 0.05)
    readers = Readers(cast(Engine, engine), most=1)
    told: list[str] = []

    def read() -> None:
        try:
            with readers.lend():
                told.append("read")
        except Busy:
            told.append("busy")

    with readers.lend():
        first = threading.Thread(target=read)
        first.start()
        first.join(10)
    second = threading.Thread(target=read)
    second.start()
    second.join(10)

    assert told == ["busy", "read"]
    assert engine.made == 1
