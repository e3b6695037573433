"""The agent's package on a whole machine, as its owner and its cloud's users meet it."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from demo.run import EXAMPLE, EXPECTED, example_bundle
from iotronic_mec.sdk import Error, NewBoard, NewPlugin, Target
from packages.debian_package import UNITS
from tests.boardvm.conftest import HOST_SEEN_INSIDE
from tests.boardvm.disk import PICTURES
from tests.boardvm.machine import Machine
from tests.conftest import REPOSITORY
from tests.e2e.cloud import Cloud, wait_for

pytestmark = pytest.mark.timeout(900)

STATE = "/var/lib/lightning-agent"
DAY_S = 86_400
ONLINE_S = 120
"""Longest wait for the board to be online, seconds; without KVM everything takes ten times."""

MODULES = (
    ("vivid",),
    ("dummy_hcd",),
    ("usbip-core",),
    ("i2c-stub", "chip_addr=0x20"),
    ("sch_netem",),
    ("wireguard",),
)
"""Modules with their parameters."""

LACKING = {"amd64": ("gpio-sim",), "arm64": ("gpio-sim", "i2c-stub")}
"""Architecture → what Debian 12's kernel does not have; such tests need another way."""

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


def test_the_main_job_is_done(cloud: Cloud, machine: Machine, board: str) -> None:
    """The example's camera plugin recognises as many digits as anywhere."""
    camera = f'\n[camera.default]\nsource = "file"\npath = "{PICTURES}"\n'
    machine.run("tee", "-a", f"{STATE}/agent.toml", given=camera)
    plugin = cloud.client.plugins.create(
        NewPlugin(
            name="digits-camera",
            filename="digits-camera.zip",
            content=example_bundle(),
            callable=True,
        )
    )
    target = Target(board=board, plugin=plugin.uuid)
    cloud.client.injections.inject(target)
    since = time.monotonic()
    answer: Any = cloud.client.injections.call(target, {"model": "int8"}).value
    took_s = time.monotonic() - since
    labels = json.loads((EXAMPLE / "labels.json").read_text(encoding="utf-8"))
    right = sum(frame["label"] == str(labels[frame["name"]]) for frame in answer["frames"])
    print(f"\n{right} of {len(answer['frames'])} in {took_s:.1f} s")

    assert (right, len(answer["frames"])) == (EXPECTED, 450)


def test_doctor_finds_nothing_to_cure(machine: Machine, board: str) -> None:
    """Sandbox, camera, inference, identity and cloud are well; the level is printed."""
    diagnosis = diagnose(machine)

    assert [check for check in diagnosis["checks"] if not check["ok"]] == []
    assert diagnosis["level"] != "refuse"


def test_everything_there_is_the_agents(machine: Machine, board: str) -> None:
    """What root did left nothing of root's in the state directory."""
    owners = machine.run("find", STATE, "-printf", "%u\\n").out.split()

    assert set(owners) == {"lightning-agent"}


@pytest.mark.parametrize("module", MODULES, ids=lambda words: words[0])
def test_the_kernel_has_the_devices_for_tests(
    machine: Machine, architecture: str, module: tuple[str, ...]
) -> None:
    """Debian's kernel brings stand-ins for cameras, USB, I2C and a bad network."""
    code = machine.run("modprobe", *module, check=False).code

    assert (code == 0) is (module[0] not in LACKING[architecture])


def test_what_the_kernel_lacks(machine: Machine, architecture: str) -> None:
    """Debian 12 has no stand-in for GPIO, and on 64-bit ARM none for I2C."""
    for module in LACKING[architecture]:
        done = machine.run("modprobe", "--dry-run", module, check=False)
        assert f"Module {module} not found" in done.err


def test_a_plugin_is_called_over_a_bad_network(cloud: Cloud, machine: Machine, board: str) -> None:
    """With a delay of 200 ms and a loss of 5 % it is answered; control: echoes are slower."""
    quick_s = echoed(cloud, board)
    (device,) = [name for name in machine.run("ls", "/sys/class/net").out.split() if name != "lo"]
    change = ("qdisc", "replace", "dev", device, "root", "netem")
    machine.run("tc", *change, "delay", "200ms", "loss", "5%")
    try:
        slow_s = echoed(cloud, board)
        called_s = timed(cloud, board, where(cloud))
    finally:
        machine.run("tc", "qdisc", "del", "dev", device, "root")
    print(f"\necho {quick_s:.3f} s; with delay and loss {slow_s:.3f} s, a call {called_s:.1f} s")

    assert slow_s > quick_s + 0.15


def test_after_a_power_cut_the_board_is_back(cloud: Cloud, machine: Machine, board: str) -> None:
    """Killed at once and booted again, it joins by itself and its plugin answers."""
    machine.cut_power()
    print(f"\nbooted again in {machine.start():.0f} s")
    cloud.wait_online(board, ONLINE_S)

    assert timed(cloud, board, where(cloud)) < ONLINE_S


def test_a_board_without_a_clock_joins(cloud: Cloud, machine: Machine, board: str) -> None:
    """Booted in 1970, without a battery and before any time server answers."""
    machine.stop()
    machine.clock = "1970-01-01"
    try:
        machine.start()
        clock_s = int(machine.run("date", "+%s").out)
        hardware_s = int(machine.run("cat", "/sys/class/rtc/rtc0/since_epoch").out)
        cloud.wait_online(board, ONLINE_S)
    finally:
        machine.clock = "utc"
    print(f"\nthe board's clock is {(time.time() - clock_s) / DAY_S:.0f} days behind")

    assert hardware_s < DAY_S
    # systemd puts a clock that is before its own release to that
    assert clock_s < time.time() - DAY_S
    assert timed(cloud, board, where(cloud)) < ONLINE_S


def test_run_by_root_plugins_have_their_own_uids(
    cloud: Cloud, machine: Machine, board: str
) -> None:
    """The drop-in of the manual works, and can be taken back."""
    page = (REPOSITORY / "docs/do/install_agent.md").read_text(encoding="utf-8")
    drop_in = re.search(r"```ini\n(.*?)```", page, re.DOTALL)
    assert drop_in is not None
    assert "share this user" in separation(machine)

    for unit in UNITS:
        machine.run("mkdir", "-p", f"/etc/systemd/system/{unit}.d")
        machine.run("tee", f"/etc/systemd/system/{unit}.d/root.conf", given=drop_in[1])
    restart(machine)
    assert "uid of its own" in separation(machine)
    assert timed(cloud, board, where(cloud)) < ONLINE_S

    for unit in UNITS:
        machine.run("rm", f"/etc/systemd/system/{unit}.d/root.conf")
    restart(machine)
    assert "share this user" in separation(machine)
    assert timed(cloud, board, where(cloud)) < ONLINE_S


def restart(machine: Machine) -> None:
    """Have systemd read the units anew and restart them."""
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", *UNITS)


def separation(machine: Machine) -> str:
    """Return what doctor says of the uids of plugins."""
    (found,) = [
        str(check["detail"])
        for check in diagnose(machine)["checks"]
        if check["name"] == "separate uid"
    ]
    return found


def diagnose(machine: Machine) -> dict[str, Any]:
    """Run doctor as the owner does; print and return what it found."""
    done = machine.run("lightning-agent", "doctor", "--json", limit_s=180, check=False)
    diagnosis: dict[str, Any] = json.loads(done.out)
    print(f"\nlevel {diagnosis['level']}")
    for check in diagnosis["checks"]:
        print(f"  {'ok  ' if check['ok'] else 'FAIL'} {check['name']}: {check['detail']}")
    assert (done.code == 0) is diagnosis["ok"]
    return diagnosis


def echoed(cloud: Cloud, board: str) -> float:
    """Have the board echo five times; return the seconds of the quickest."""

    def once() -> float:
        since = time.monotonic()
        assert cloud.client.boards.echo(board, "hello").text
        return time.monotonic() - since

    return min(once() for _ in range(5))


def where(cloud: Cloud) -> str:
    """Return the uuid of the plugin that tells where it runs."""
    (plugin,) = [each.uuid for each in cloud.client.plugins.iterate() if each.name == "where"]
    return plugin


def timed(cloud: Cloud, board: str, plugin: str) -> float:
    """Call a plugin once the board takes calls; return the seconds of the call."""

    def answered() -> float:
        since = time.monotonic()
        try:
            client = cloud.client
            answer: Any = client.injections.call(Target(board=board, plugin=plugin), {}).value
        except Error:
            return 0.0
        assert answer["got"] == {}
        return time.monotonic() - since

    return float(wait_for("the plugin answers", answered, ONLINE_S))
