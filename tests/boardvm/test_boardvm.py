"""The agent's package on a whole machine, as its owner and its cloud's users meet it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from iotronic_mec.sdk import NewBoard, NewPlugin, Target
from tests.boardvm.conftest import HOST_SEEN_INSIDE
from tests.boardvm.machine import Machine
from tests.e2e.cloud import Cloud

pytestmark = pytest.mark.timeout(900)

STATE = "/var/lib/lightning-agent"
ONLINE_S = 120
"""Longest wait for the board to be online, seconds; without KVM everything takes ten times."""

WHERE = b"""
import os

def main(context, **arguments):
    return {"uid": os.getuid(), "release": os.uname().release, "got": arguments}
"""


@pytest.fixture(scope="module")
def board(cloud: Cloud, machine: Machine) -> str:
    """Enrol the board as its owner does, with the code on standard input; return its uuid."""
    made = cloud.client.boards.create(NewBoard(name="vm"))
    assert made.code is not None and made.enrol_url is not None
    assert HOST_SEEN_INSIDE in made.enrol_url
    machine.run("lightning-agent", "enrol", "-", made.enrol_url, given=f"{made.code}\n")
    machine.run("systemctl", "start", "lightning-agent.service")
    cloud.wait_online(made.uuid, ONLINE_S)
    return made.uuid


def test_the_system_is_whole(machine: Machine) -> None:
    """Debian's kernel runs systemd with control groups of version 2; nothing of ours failed."""
    kernel = machine.run("uname", "-r").out.strip()
    groups = machine.run("cat", "/sys/fs/cgroup/cgroup.controllers").out.split()
    failed = machine.run("systemctl", "--failed", "--plain", "--no-legend").out.strip()
    print(f"\nkernel {kernel}, controllers {' '.join(groups)}")

    assert {"memory", "pids", "cpu"} <= set(groups)
    assert failed == ""


def test_before_the_enrolment_only_the_supervisor_runs(machine: Machine) -> None:
    """The agent has nothing to do yet, and is not a failure."""
    states = machine.run(
        *("systemctl", "show", "--property=ActiveState,ConditionResult"),
        *("lightning-agent.service", "lightning-agent-supervisor.service"),
    ).out.split()

    assert states[:2] == ["ActiveState=inactive", "ConditionResult=no"]
    assert states[2:] == ["ActiveState=active", "ConditionResult=yes"]


def test_the_supervisor_has_its_own_control_groups(machine: Machine) -> None:
    """The unit's group is delegated to the agent's user."""
    group = "/sys/fs/cgroup/system.slice/lightning-agent-supervisor.service"

    assert (
        machine.run("stat", "-c", "%U", f"{group}/cgroup.procs").out.strip() == "lightning-agent"
    )
    print("\ndelegated:", machine.run("cat", f"{group}/cgroup.controllers").out.strip())


def test_a_plugin_is_called(cloud: Cloud, machine: Machine, board: str) -> None:
    """Uploaded, injected and called through REST, it runs in the board's sandbox."""
    client = cloud.client
    plugin = client.plugins.create(
        NewPlugin(name="where", filename="where.py", content=WHERE, callable=True)
    )
    target = Target(board=board, plugin=plugin.uuid)
    client.injections.inject(target)
    since = time.monotonic()
    answer: Any = client.injections.call(target, {"word": "hello"}).value
    print(f"\ncalled in {time.monotonic() - since:.1f} s: {answer}")

    assert answer["release"] == machine.run("uname", "-r").out.strip()
    assert answer["got"] == {"word": "hello"}


def test_doctor_finds_nothing_to_cure(machine: Machine, board: str) -> None:
    """Sandbox, camera, inference, identity and cloud are well; the level is printed."""
    done = machine.run("lightning-agent", "doctor", "--json", limit_s=180, check=False)
    diagnosis = json.loads(done.out)
    print(f"\nlevel {diagnosis['level']}")
    for check in diagnosis["checks"]:
        print(f"  {'ok  ' if check['ok'] else 'FAIL'} {check['name']}: {check['detail']}")

    assert [check for check in diagnosis["checks"] if not check["ok"]] == []
    assert diagnosis["level"] != "refuse"
    assert done.code == 0


def test_everything_there_is_the_agents(machine: Machine, board: str) -> None:
    """What root did left nothing of root's in the state directory."""
    owners = machine.run("find", STATE, "-printf", "%u\\n").out.split()

    assert set(owners) == {"lightning-agent"}


def test_after_a_power_cut_the_board_is_back(cloud: Cloud, machine: Machine, board: str) -> None:
    """Killed at once and booted again, it joins by itself and its plugin answers."""
    machine.cut_power()
    print(f"\nbooted again in {machine.start():.0f} s")
    cloud.wait_online(board, ONLINE_S)
    (plugin,) = [each.uuid for each in cloud.client.plugins.iterate() if each.name == "where"]
    answer: Any = cloud.client.injections.call(Target(board=board, plugin=plugin), {}).value

    assert answer["got"] == {}
