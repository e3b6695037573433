"""B4: grants with a real cloud, a real agent, its supervisor and its sandbox."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from iotronic_mec.sdk import Client, NewPlugin, Target
from iotronic_mec.sdk.errors import Conflict, NotFound
from tests.agent.supervised import is_alive
from tests.e2e.cloud import Cloud, wait_for

pytestmark = pytest.mark.timeout(240)

PASSWORD = "a long password, please"

DEAF = b"import time\n\ndef main(context):\n    while True:\n        time.sleep(60)\n"
"""Runs for good and does not hear that it should stop."""

CLOCK = """
import pathlib, time
from datetime import timedelta
import lightning_agent.clock as clock

def shift():
    try:
        return float(pathlib.Path({path!r}).read_text())
    except (OSError, ValueError):
        return 0.0

real_now, real_time = clock.Clock.now, time.time
clock.Clock.now = lambda self: real_now(self) + timedelta(seconds=shift())
time.time = lambda: real_time() + shift()
"""
"""Lets the wall clock of a board's processes be set by a file, as root sets the machine's."""


class Guest:
    """A user of another project, and what was lent to them."""

    def __init__(self, cloud: Cloud, board: str) -> None:
        self.cloud = cloud
        self.board = board
        owner = cloud.client
        owner.projects.create({"name": "guests"})
        self.user = owner.users.create(
            {"name": "ada", "password": PASSWORD, "project": "guests", "roles": ["member"]}
        ).uuid
        self.client = Client.with_password(cloud.url, "ada", PASSWORD)
        plugin = NewPlugin(name="deaf", filename="deaf.py", content=DEAF)
        self.plugin = owner.plugins.create(plugin).uuid
        self.target = Target(board=board, plugin=self.plugin)
        owner.injections.inject(self.target)

    def lend(self, seconds: float, *actions: str, **terms: Any) -> str:
        """Have the owner lend the board for some seconds; return the grant."""
        until = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        fields = {
            "kind": "board",
            "target": self.board,
            "actions": list(actions or ("plugin.start",)),
            "to_user": self.user,
            "expires_at": until,
            **terms,
        }
        return str(self.cloud.client.grants.create(fields).uuid)

    def start(self) -> int:
        """Start the plugin under a grant; return its pid."""
        self.client.injections.start(self.target)
        return int(wait_for("the plugin runs", self.pid))

    def pid(self) -> int | None:
        """Return what the board last reported."""
        return next(
            (
                row.pid
                for row in self.cloud.client.injections.on_board(self.board)
                if row.plugin == self.plugin
            ),
            None,
        )


@pytest.fixture(scope="module")
def clock_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the file that sets the board's wall clock, in seconds from the true time."""
    folder = tmp_path_factory.mktemp("clock")
    path = folder / "shift"
    (folder / "sitecustomize.py").write_text(CLOCK.format(path=str(path)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def guest(cloud: Cloud, clock_file: Path) -> Guest:
    """Give a guest, and a board whose wall clock can be set."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(clock_file.parent))
        board = cloud.make_board("lent")
    return Guest(cloud, board)


def test_without_a_grant_nothing_is_there(guest: Guest) -> None:
    """Control: the guest sees and starts nothing."""
    with pytest.raises(NotFound):
        guest.client.boards.get(guest.board)
    with pytest.raises(NotFound):
        guest.client.injections.start(guest.target)


def test_lent_on_wider_it_is_refused(guest: Guest) -> None:
    """A narrower one is made, a wider one is not."""
    grant = guest.lend(60, "board.action:DeviceEcho")
    to = {"to_user": guest.cloud.client.whoami().user}

    assert guest.client.grants.create_further(grant, {**to, "max_uses": 1}).max_uses == 1
    for wider in ({"actions": ["board.action"]}, {"expires_at": "2030-01-01T00:00:00+00:00"}):
        with pytest.raises(Conflict):
            guest.client.grants.create_further(grant, {**to, **wider})
    guest.cloud.client.grants.revoke(grant)


def test_revoked_online_it_ends_within_a_second(guest: Guest) -> None:
    """From the request to revoke until the process is gone, though it is deaf to stopping."""
    grant = guest.lend(600)
    pid = guest.start()
    assert is_alive(pid)
    began = time.monotonic()

    guest.cloud.client.grants.revoke(grant)
    while is_alive(pid) and time.monotonic() - began < 10:
        time.sleep(0.005)
    lasted_s = time.monotonic() - began

    print(f"ended {lasted_s * 1000:.0f} ms after the revocation was asked for")
    assert lasted_s <= 1.0
    with pytest.raises(NotFound):
        guest.client.injections.start(guest.target)


def test_offline_it_ends_on_time_with_the_clock_set_back(guest: Guest, clock_file: Path) -> None:
    """Cloud and agent are gone, the wall clock is set back a day: the supervisor ends it."""
    cloud = guest.cloud
    lent_s = 15.0
    began = time.monotonic()
    guest.lend(lent_s)
    pid = guest.start()

    cloud.end_front()
    for agent in cloud.agent_pids("lent"):
        os.kill(agent, 9)
    clock_file.write_text("-86400")
    early = is_alive(pid)
    while is_alive(pid) and time.monotonic() - began < lent_s + 20:
        time.sleep(0.05)
    lasted_s = time.monotonic() - began
    print(f"lent for {lent_s:g} s, ended after {lasted_s:.1f} s")

    assert early
    assert not is_alive(pid)
    assert lent_s - 2 <= lasted_s <= lent_s + 3

    cloud.start()
    cloud.start_agent("lent")
    cloud.wait_online(guest.board)
    wait_for("the end is settled", lambda: not _wanted(guest))
    assert guest.pid() is None
    assert not is_alive(pid)


def _wanted(guest: Guest) -> bool:
    rows = guest.cloud.client.injections.on_board(guest.board)
    return any(row.running for row in rows if row.plugin == guest.plugin)
