"""Warm sandboxes: nothing of one call is found by the next; when they are made anew."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from lightning_agent.clock import Clock
from lightning_agent.errors import Busy, Error, PluginFailed
from lightning_agent.sandbox.profile import Limits
from lightning_agent.supervisor import zygotes
from lightning_agent.supervisor.zygotes import Zygotes
from tests.agent.supervised import Supervised, settled

LOOK = """
import os, random, sys, tempfile
from pathlib import Path

def main(context, write=False):
    found = sorted(
        str(path) for top in ("/job", "/tmp", "/dev/shm") for path in Path(top).rglob("*")
    )
    marked = hasattr(sys, "marked_by_a_call") or "MARKED" in os.environ
    if write:
        for top in ("/job", "/tmp", "/dev/shm"):
            (Path(top) / "left").write_text("mine")
        sys.marked_by_a_call = True
        os.environ["MARKED"] = "yes"
    return {
        "found": found,
        "marked": marked,
        "dice": random.random(),
        "pid": os.getpid(),
        "descriptors": sorted(
            number for number in range(256) if os.path.exists(f"/proc/self/fd/{number}")
        ),
        "numpy": "numpy" in sys.modules,
    }
"""


def test_a_call_finds_nothing_of_the_one_before(shared_supervisor: Supervised) -> None:
    """Files, modules and environment are each call's own, and so is its luck."""
    plugin, digest = shared_supervisor.install(LOOK.encode())
    shared_supervisor.call(plugin, digest)
    settled(shared_supervisor)
    wrote = shared_supervisor.call(plugin, digest, parameters={"write": True})["result"]

    after = [shared_supervisor.call(plugin, digest)["result"] for _ in range(3)]

    assert wrote["numpy"], "it was forked from a warm sandbox"
    assert [(each["found"], each["marked"]) for each in after] == [([], False)] * 3
    assert len({each["dice"] for each in (wrote, *after)}) == 4
    assert {each["pid"] for each in after} == {1}, "each has a process namespace of its own"


ATTACKS = {
    "kill its group": "os.kill(0, 9)",
    "kill everything": "os.kill(-1, 9)",
    "kill its parent": "os.kill(os.getppid() or 2, 9)",
    "stop its parent": "os.kill(os.getppid() or 2, 19)",
    "close all descriptors": "os.closerange(0, 4096)",
    "crash": "import ctypes; ctypes.string_at(0)",
    "break its channel": "os.write(3, b'x' * 100_000)",
    "exit at once": "os._exit(3)",
    "fork without end": "[os.fork() for _ in range(200)]",
    "fill the folders": (
        "[open(f'/{where}/f{n}', 'wb').write(bytes(8_000_000)) "
        "for where in ('job', 'tmp', 'dev/shm') for n in range(20)]"
    ),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=list(ATTACKS))
def test_the_next_call_is_answered(shared_supervisor: Supervised, attack: str) -> None:
    """Whatever a call does to itself and around it, the next one works."""
    source = (
        "import os\n"
        "def main(context, attack=False):\n"
        "    if attack:\n"
        "        try:\n"
        f"            {attack}\n"
        "        except (OSError, MemoryError):\n"
        "            pass\n"
        "    return 'fine'\n"
    )
    plugin, digest = shared_supervisor.install(source.encode())
    assert shared_supervisor.call(plugin, digest)["result"] == "fine"

    try:
        shared_supervisor.call(plugin, digest, parameters={"attack": True}, deadline_s=3.0)
    except Error:
        pass

    assert shared_supervisor.call(plugin, digest, deadline_s=5.0)["result"] == "fine"


def test_a_crash_changes_the_memory_layout(shared_supervisor: Supervised) -> None:
    """After a call that crashed, the next is forked from a sandbox made anew."""
    source = (
        "def main(context, crash=False):\n"
        "    import ctypes\n"
        "    if crash:\n"
        "        ctypes.string_at(0)\n"
        "    return ctypes.cast(ctypes.CDLL('libc.so.6').strverscmp, ctypes.c_void_p).value\n"
    )
    plugin, digest = shared_supervisor.install(source.encode())
    first = [shared_supervisor.call(plugin, digest)["result"] for _ in range(2)]

    with pytest.raises(PluginFailed):
        shared_supervisor.call(plugin, digest, parameters={"crash": True})

    after = shared_supervisor.call(plugin, digest)["result"]
    assert first[0] == first[1]
    assert after != first[0]


def test_a_killed_sandbox_fails_its_calls_only(shared_supervisor: Supervised) -> None:
    """When the kernel takes a warm sandbox, its call fails and the next gets another one."""
    source = b"import time\ndef main(context, nap_s=0):\n    time.sleep(nap_s)\n    return 1\n"
    before = set(shared_supervisor.client.request("warm")["pids"])
    plugin, digest = shared_supervisor.install(source)
    shared_supervisor.call(plugin, digest)
    (warm,) = set(shared_supervisor.client.request("warm")["pids"]) - before
    number = shared_supervisor.client.send(
        "call", plugin=plugin, digest=digest, deadline_s=20.0, parameters={"nap_s": 15}
    )
    other = shared_supervisor.connect()
    other.request("status", plugin=plugin)
    other.close()

    os.kill(warm, signal.SIGKILL)

    with pytest.raises(PluginFailed):
        shared_supervisor.client.wait(number)
    assert shared_supervisor.call(plugin, digest)["result"] == 1


class FakeLoop:
    """A loop whose time is the test's."""

    def __init__(self) -> None:
        self.due: list[tuple[float, Any]] = []

    def later(self, delay_s: float, callback: Any) -> Any:
        """Remember it."""
        self.due.append((delay_s, callback))
        return self

    def cancel(self) -> None:
        """Do nothing."""

    def watch(self, *_: Any) -> None:
        """Do nothing."""

    def unwatch(self, *_: Any) -> None:
        """Do nothing."""

    def run_due(self) -> None:
        """Call back all that waits."""
        due, self.due = self.due, []
        for _, callback in due:
            callback()


class FakeClock(Clock):
    """A clock that stands still."""

    now_s = 0.0

    def monotonic(self) -> float:
        """Return the test's seconds."""
        return self.now_s


class FakeFork:
    """A fork that ends when it is told to."""

    def __init__(self) -> None:
        self.returncode: int | None = None
        self._ended: Any = None

    def on_end(self, ended: Any) -> None:
        """Remember who is told."""
        self._ended = ended

    def poll(self) -> int | None:
        """Return how it ended."""
        return self.returncode

    def finish(self, code: int = 0) -> None:
        """End."""
        self.returncode = code
        self._ended(self)


class FakeZygote:
    """A warm sandbox without a process."""

    pid = 1

    def __init__(self, launcher: Any, plugin: str, *given: Any) -> None:
        self.plugin = plugin
        self.forks = 0
        self.active: set[Any] = set()
        self.spares: list[Any] = []
        self.retired = self.ended = False
        self.made_at = self.used_at = 0.0
        self.alive = True
        self.full = False

    def fork(self) -> FakeFork:
        """Return one more."""
        if self.full:
            raise BlockingIOError("full")
        self.forks += 1
        return FakeFork()

    def end(self) -> None:
        """Note it."""
        self.ended = True
        self.spares.clear()


class Bench:
    """Warm sandboxes on a loop and a clock of the test."""

    def __init__(self) -> None:
        self.loop, self.clock = FakeLoop(), FakeClock()
        self.made: list[FakeZygote] = []
        made: Any = self.make
        self.zygotes = Zygotes(self.loop, self.clock, made)

    def make(self, *given: Any) -> FakeZygote:
        """Make one and remember it."""
        self.made.append(FakeZygote(*given))
        return self.made[-1]

    def take(self, plugin: str) -> Any:
        """Take a fork for a call."""
        launcher: Any = None
        return self.zygotes.take(launcher, plugin, "1", Path("/"), Limits())


def test_one_sandbox_serves_the_calls_of_a_plugin() -> None:
    """A fork is made ahead after the first call, and the next call takes it."""
    bench = Bench()
    bench.take("a").finish()
    bench.loop.run_due()
    (ahead,) = bench.made[0].spares

    taken = bench.take("a")

    assert taken is ahead
    assert len(bench.made) == 1


def test_a_spare_that_died_is_not_used() -> None:
    """A fork made ahead that has ended is thrown away."""
    bench = Bench()
    bench.take("a").finish()
    dead: Any = bench.make(None, "x").fork()
    dead.returncode = -9
    for name in ("channel", "stdout", "stderr"):
        setattr(dead, name, open(os.devnull, "rb"))
    dead.close = lambda: None
    bench.made[0].spares = [dead]

    assert bench.take("a") is not dead
    assert dead.channel.closed


def test_the_one_not_used_for_the_longest_goes() -> None:
    """With all places taken, an idle sandbox makes room; one at work never does."""
    bench = Bench()
    busy = bench.take("busy")
    for number in range(zygotes.MAX_ZYGOTES - 1):
        bench.clock.now_s += 1
        bench.take(f"p{number}").finish()

    assert bench.take("new") is not None

    assert [zygote.plugin for zygote in bench.made if zygote.ended] == ["p0"]
    busy.finish()


def test_without_an_idle_one_there_is_no_room() -> None:
    """When every warm sandbox is at work, the call gets none: it has one of its own."""
    bench = Bench()
    for number in range(zygotes.MAX_ZYGOTES):
        bench.take(f"p{number}")

    assert bench.take("new") is None


@pytest.mark.parametrize("why", ["old", "worn", "dead", "crashed"])
def test_it_is_made_anew(why: str) -> None:
    """Age, many calls, death and a crash: the next call has another sandbox, the old one ends."""
    bench = Bench()
    bench.take("a").finish(-11 if why == "crashed" else 0)
    if why == "old":
        bench.clock.now_s = zygotes.MAX_AGE_S
    if why == "worn":
        bench.made[0].forks = zygotes.MAX_FORKS
    if why == "dead":
        bench.made[0].alive = False

    bench.take("a").finish()

    assert len(bench.made) == 2
    assert bench.made[0].ended and not bench.made[1].ended


def test_one_with_calls_ends_after_them() -> None:
    """A sandbox that is to go waits for what is at work in it."""
    bench = Bench()
    first = bench.take("a")
    bench.zygotes.end("a")
    assert not bench.made[0].ended

    first.finish()

    assert bench.made[0].ended


def test_an_idle_one_ends() -> None:
    """Nobody called for a while: its memory is given back."""
    bench = Bench()
    bench.take("a").finish()
    bench.clock.now_s = zygotes.IDLE_S / 2
    bench.loop.run_due()
    assert not bench.made[0].ended

    bench.clock.now_s = zygotes.IDLE_S
    bench.loop.run_due()

    assert bench.made[0].ended


def test_one_that_takes_no_more_is_busy() -> None:
    """A sandbox that cannot fork is an answer, and the next call gets another one."""
    bench = Bench()
    bench.take("a").finish()
    bench.made[0].full = True

    with pytest.raises(Busy):
        bench.take("a")

    assert bench.take("a") is not None
    assert len(bench.made) == 2
