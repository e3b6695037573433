"""A virtual host for this folder, and what serves and calls on it."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from iotronic_mec.rpc.listener import Listener
from iotronic_mec.rpc.transport import Transport
from tests.fakes.broker import private_conf, virtual_host

START_LIMIT_S = 20.0


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """Return the URL of an empty virtual host."""
    with virtual_host() as url:
        yield url


@pytest.fixture(autouse=True)
def no_leftovers() -> Iterator[None]:
    """Leave threads and sockets to oslo.messaging: they end with the process.

    What it leaves to the garbage collector is collected here, where it is no error.
    """
    yield
    gc.collect()


@pytest.fixture
def transport(broker: str) -> Iterator[Transport]:
    """Return a transport on the virtual host."""
    made = Transport(private_conf(), broker)
    yield made
    made.close()


Serve = Callable[..., Listener]


@pytest.fixture
def serve(broker: str) -> Iterator[Serve]:
    """Return a function that serves a topic with an answering function."""
    started: list[tuple[Listener, Transport]] = []

    def start(
        topic: str, server: str, answer: Callable[[dict[str, Any]], dict[str, Any]], **bounds: int
    ) -> Listener:
        made = Transport(private_conf(), broker)
        listener = Listener(made, topic, server, answer, **bounds)
        started.append((listener, made))
        listener.start()
        assert listener.started.wait(START_LIMIT_S)
        return listener

    yield start
    for listener, made in started:
        listener.stop(5.0)
        made.close()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Return an event that lets held calls go on; set after the test."""
    made = threading.Event()
    yield made
    made.set()
