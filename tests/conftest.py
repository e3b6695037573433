"""What every test gets: no chance to leave processes or threads behind."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import engines, transports

ENDING_S = 2.0
"""Seconds a thread that was told to end may take."""

REPOSITORY = Path(__file__).resolve().parent.parent
"""The checkout the tests run on."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the functional tests run on another database engine or transport."""
    parser.addoption(
        "--database",
        choices=engines.ENGINES,
        default="sqlite",
        help="engine of the functional tests' databases; a server that is absent is a failure",
    )
    parser.addoption(
        "--transport",
        choices=transports.TRANSPORTS,
        default="local",
        help="how the functional tests' APIs call their conductors; an absent broker is a failure",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Choose the engine and the transport; hear interrupts, as who sits before it would."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # a shell starts what runs in its background so, and it passes on to all processes below
        signal.signal(signal.SIGINT, signal.default_int_handler)
    engines.POOL = engines.Pool(config.getoption("--database"))
    transports.BUS = transports.Bus(config.getoption("--transport"))


def pytest_unconfigure() -> None:
    """Drop the databases and queues made."""
    transports.BUS.close()
    engines.POOL.close()


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the folder of the checkout."""
    return REPOSITORY


@pytest.fixture(autouse=True)
def no_leftovers(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a child process or a thread it started.

    A test that hands one on to the next on purpose (a router for a whole
    module) starts it in a fixture of that wider scope, before this one looks.
    """
    threads_before = set(threading.enumerate())
    children_before = child_processes()

    yield

    begun = [each for each in set(threading.enumerate()) - threads_before if not each.daemon]
    for thread in begun:
        # one that was told to end needs a moment of a processor for it
        thread.join(ENDING_S)
    left = [thread.name for thread in begun if thread.is_alive()]
    children = child_processes() - children_before
    assert not left, f"threads left behind: {', '.join(left)}"
    assert not children, f"child processes left behind: {sorted(children)}"


def child_processes() -> set[int]:
    """Return the pids of this process's children, of all its threads."""
    children: set[int] = set()
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        try:
            children.update(int(pid) for pid in (task / "children").read_text().split())
        except OSError:
            continue
    return children
