"""Supervised children: a process of its own plays the front."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from iotronic_mec.cmd import children

pytestmark = pytest.mark.slow

FRONT = """
import os, sys
from pathlib import Path
from twisted.internet import reactor
from iotronic_mec.cmd import children
children.BACK_OFF_S = (0.05, 0.1)
children.GRACE_S = 0.5
folder = Path(sys.argv[1])
log = folder / "child.log"
child = children.Child(
    reactor,
    children.Program(
        name="child",
        command=["/bin/sh", "-c", sys.argv[2]],
        open_log=lambda: os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT),
        log_path=log,
        given=b"from standard input\\n",
    ),
    lambda sentence: print(sentence, flush=True),
)
reactor.callWhenRunning(child.start)
reactor.addSystemEventTrigger("before", "shutdown", child.stop)
reactor.run()
"""


class Front:
    """A process that supervises one shell script."""

    def __init__(self, folder: Path, script: str) -> None:
        self.log = folder / "child.log"
        self.process = subprocess.Popen(
            [sys.executable, "-c", FRONT, str(folder), script], stdout=subprocess.PIPE, text=True
        )

    def lines(self) -> list[str]:
        """Return what the child has written."""
        return self.log.read_text().split("\n")[:-1] if self.log.exists() else []

    def end(self) -> None:
        """Kill what is left."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[[str], Front]]:
    """Give a way to supervise a script."""
    made: list[Front] = []

    def start(script: str) -> Front:
        made.append(Front(tmp_path, script))
        return made[-1]

    yield start
    for front in made:
        front.end()


def soon(condition: Callable[[], bool], timeout_s: float = 15.0) -> None:
    """Wait until the condition holds."""
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "not so within its time"
        time.sleep(0.02)


def runs(pid: str) -> bool:
    """Say whether a process is there and no zombie."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_an_ended_child_is_started_again(supervise: Callable[[str], Front]) -> None:
    """And gets its input again."""
    front = supervise("cat; exit 3")

    soon(lambda: front.lines().count("from standard input") >= 3)


def test_a_crash_loop_is_reported_with_the_last_line(supervise: Callable[[str], Front]) -> None:
    """Once for so many ends."""
    front = supervise("echo the reason; exit 3")

    assert front.process.stdout is not None
    told = front.process.stdout.readline()

    assert "child ended 5 times within a minute" in told
    assert "exit status 3" in told
    assert "the reason" in told


def test_a_known_cause_is_told_instead_of_the_last_line(tmp_path: Path) -> None:
    """A port that is taken says more than the router's last line."""
    log = tmp_path / "router.log"
    log.write_text("shutting down\n")
    told: list[str | None] = [None, "port 8443 is in use"]
    program = children.Program(
        name="router", command=[], open_log=lambda: 0, log_path=log, cause=lambda: told.pop()
    )
    child = children.Child(None, program, lambda _sentence: None)

    assert child.last_words() == "port 8443 is in use"
    assert child.last_words() == "shutting down"


def test_children_and_theirs_die_with_a_killed_front(supervise: Callable[[str], Front]) -> None:
    """SIGKILL leaves no time to tell anyone."""
    front = supervise("echo $$; exec sleep 1000")
    soon(lambda: len(front.lines()) == 1)
    [pid] = front.lines()
    assert runs(pid)

    front.process.kill()

    soon(lambda: not runs(pid))


def test_a_stubborn_child_is_killed_with_its_group(supervise: Callable[[str], Front]) -> None:
    """After the grace; the front then ends with 0."""
    front = supervise("trap '' TERM; sleep 1000 & echo $$; echo $!; while :; do sleep 1; done")
    soon(lambda: len(front.lines()) == 2)

    front.process.send_signal(signal.SIGTERM)

    assert front.process.wait(5) == 0
    soon(lambda: not any(runs(pid) for pid in front.lines()))


def test_each_child_leads_its_own_group(supervise: Callable[[str], Front]) -> None:
    """So that a Ctrl-C at the terminal reaches the front only."""
    front = supervise("echo $$; exec sleep 1000")
    soon(lambda: len(front.lines()) == 1)
    [pid] = front.lines()

    assert os.getpgid(int(pid)) == int(pid)
    assert os.getpgid(int(pid)) != os.getpgid(front.process.pid)
