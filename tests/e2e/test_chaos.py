"""A6: parts die at random points; nothing is half done, forgotten or shown wrong.

``IOT_CHAOS_S`` (180 by default, 1200 by hand) is how long; ``IOT_CHAOS_SEED``
repeats a run, whose seed is printed.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from iotronic_mec.sdk import Client, Error, NewPlugin, Target
from tests.e2e.cloud import SUPERVISOR, Cloud, wait_for

DURATION_S = float(os.environ.get("IOT_CHAOS_S", "180"))
SEED = int(os.environ.get("IOT_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
BOARDS = ("chaos-a", "chaos-b")
PARTS = ("agent", "supervisor", "router", "core", "front")
SETTLE_S = 150.0
"""Longest until everything has its end: deadline, grace and reports, seconds."""

SOURCE = "def main(context, n=0):\n    return n + {version}\n"
LOOP = (
    "import time\n\ndef main(context):\n    while not context.stopping:\n        time.sleep(0.1)\n"
)


@dataclass
class Load:
    """What users did meanwhile, and what they were told."""

    stop: threading.Event = field(default_factory=threading.Event)
    told: Counter[str] = field(default_factory=Counter)
    requests: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def user(self, cloud: Cloud, board: str, seed: int) -> None:
        """Order things from a board until told to stop; count the outcomes."""
        dice = random.Random(seed)
        client = cloud.client
        while not self.stop.is_set():
            action = dice.choice(("echo", "call", "inject", "start", "stop", "later"))
            try:
                self._order(client, board, action, dice)
                self.told[f"{action} ok"] += 1
            except (Error, OSError) as error:
                self.told[f"{action} {type(error).__name__}"] += 1
                self.stop.wait(0.2)

    def _order(self, client: Client, board: str, action: str, dice: random.Random) -> None:
        called, loop = Target(board=board, plugin="chaos"), Target(board=board, plugin="loop")
        if action == "echo":
            word = f"word-{dice.random()}"
            if word not in client.boards.echo(board, word).text:
                self.wrong.append(f"echo of {word}")
        elif action == "call":
            number = dice.randrange(1000)
            value = client.injections.call(called, {"n": number}).value
            if value not in (number + 1, number + 2):
                self.wrong.append(f"call with {number} gave {value}")
        elif action == "inject":
            client.plugins.update("chaos", {"code": SOURCE.format(version=dice.choice((1, 2)))})
            client.injections.inject(called)
        elif action == "start":
            client.injections.start(loop)
        elif action == "stop":
            client.injections.stop(loop)
        else:
            answer = client.injections.call(called, {"n": 1}, wait=False)
            if answer.request is not None:
                self.requests.add(answer.request)


def kill(pids: list[int]) -> int:
    """End processes with SIGKILL; return how many there were."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(pids)


def strike(cloud: Cloud, part: str, dice: random.Random) -> str:
    """Kill one part and bring back what nobody supervises; return what was killed."""
    name = dice.choice(BOARDS)
    if part == "agent":
        killed = kill(cloud.agent_pids(name))
        cloud.start_agent(name)
    elif part == "supervisor":
        killed = kill(cloud.agent_pids(name, SUPERVISOR))
    elif part == "router":
        killed = kill(cloud.pids("crossbar"))
    elif part == "core":
        killed = kill(cloud.pids("iotronic_mec.cmd.core"))
    else:
        killed = 1
        cloud.kill_front()
        cloud.start()
    # a part may be between two starts when it is struck
    return part if killed else f"{part} (absent)"


@pytest.fixture(scope="module")
def boards(cloud: Cloud) -> dict[str, str]:
    """Give two boards with a callable and a running plugin."""
    made = {name: cloud.make_board(name) for name in BOARDS}
    client = cloud.client
    source = SOURCE.format(version=1).encode()
    client.plugins.create(NewPlugin(name="chaos", filename="c.py", content=source, callable=True))
    client.plugins.create(NewPlugin(name="loop", filename="l.py", content=LOOP.encode()))
    for name in BOARDS:
        for plugin in ("chaos", "loop"):
            client.injections.inject(Target(board=name, plugin=plugin))
    return made


@pytest.mark.timeout(DURATION_S + 600)
def test_nothing_is_lost_while_parts_die(
    cloud: Cloud, boards: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """After the storm: operations ended, injections whole, boards online, chain intact."""
    dice = random.Random(SEED)
    load = Load()
    users = [
        threading.Thread(target=load.user, args=(cloud, name, SEED + number))
        for number, name in enumerate(BOARDS)
    ]

    for user in users:
        user.start()
    killed = _storm(cloud, dice)
    load.stop.set()
    for user in users:
        user.join(120)

    with capsys.disabled():
        print(f"\nseed {SEED}: killed {dict(killed)}; users: {dict(load.told)}")
    assert set(PARTS) <= set(killed)
    client = cloud.client
    for name in BOARDS:
        cloud.wait_online(name)
    wait_for("every operation has its end", lambda: _open_requests(client) == [], SETTLE_S)
    wait_for("every board is converged", lambda: _unconverged(client) == [], 60)
    assert load.wrong == []
    assert {r.uuid for r in client.requests.iterate()} >= load.requests
    assert _half_injected(cloud) == []
    assert client.audit.verify().ok


@pytest.mark.timeout(120)
def test_a_restarted_agent_finds_its_plugins_with_the_same_pids(
    cloud: Cloud, boards: dict[str, str]
) -> None:
    """SIGKILL of the agent leaves running plugins as they are."""
    client, name = cloud.client, BOARDS[0]
    target = Target(board=name, plugin="loop")
    with contextlib.suppress(Error):
        client.injections.start(target)
    before = wait_for("the plugin runs", lambda: _pid(client, name))

    kill(cloud.agent_pids(name))
    cloud.start_agent(name)
    wait_for("the board was seen to go", lambda: client.boards.get(name).status, 30)
    time.sleep(1)
    cloud.wait_online(name)
    alive = client.injections.status(target)

    assert alive == "ALIVE"
    assert _pid(client, name) == before
    assert Path(f"/proc/{before}").exists()


def _storm(cloud: Cloud, dice: random.Random) -> Counter[str]:
    """Strike all parts, round after round, each round in an order of its own."""
    killed: Counter[str] = Counter()
    end = time.monotonic() + DURATION_S
    left: list[str] = []
    while time.monotonic() < end:
        left = left or dice.sample(PARTS, len(PARTS))
        killed[strike(cloud, left.pop(), dice)] += 1
        time.sleep(dice.uniform(0.5, 8.0))
    return killed


def _open_requests(client: Client) -> list[str]:
    try:
        return [r.uuid for r in client.requests.iterate() if r.status != "COMPLETED"]
    except (Error, OSError) as error:
        return [str(error)]


def _unconverged(client: Client) -> list[str]:
    try:
        return [name for name in BOARDS if not client.boards.explain(name).converged]
    except (Error, OSError) as error:
        return [str(error)]


def _pid(client: Client, board: str) -> int | None:
    rows = client.injections.on_board(board)
    return next((row.pid for row in rows if row.name == "loop"), None)


def _half_injected(cloud: Cloud) -> list[str]:
    """Return what boards hold that nobody wants there, or lack."""
    wrong = []
    for name in BOARDS:
        wanted = {row.plugin: row.digest for row in cloud.client.injections.on_board(name)}
        folder = cloud.board_folder(name) / "plugins"
        held = {p.name: {d.name for d in p.iterdir()} for p in folder.iterdir() if p.is_dir()}
        for plugin, digest in wanted.items():
            if digest not in held.get(plugin, set()):
                wrong.append(f"{name} lacks {plugin} {digest}")
        wrong += [f"{name} holds {plugin}" for plugin in held if plugin not in wanted]
    return wrong
