"""Started plugins: status, stopping, the end of agent and supervisor."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lightning_agent.clock import Clock
from lightning_agent.errors import AlreadyRunning, LeaseOver
from lightning_agent.sandbox import runner
from lightning_agent.sandbox.launcher import end_orphans, make_tag
from lightning_agent.sandbox.probe import probe
from lightning_agent.supervisor.cameras import Cameras
from lightning_agent.supervisor.children import Children
from lightning_agent.supervisor.logs import Logs
from lightning_agent.supervisor.loop import Loop
from lightning_agent.supervisor.requests import RunRequest
from lightning_agent.supervisor.trusted import TrustedTime
from tests.agent.supervised import Supervised, descendants, is_alive

Eventually = Callable[[Callable[[], bool]], None]

WAITING = """
def main(context, **parameters):
    context.log("started")
    while not context.stopping:
        context.stopping.wait(60)
    context.log("stopping")
    return parameters
"""

DEAF = "import time\ndef main(context):\n    time.sleep(3600)\n"


def test_a_started_plugin_is_listed_and_stops_when_asked(supervised: Supervised) -> None:
    """Status and list name a started plugin with its pid, and say when it ended."""
    plugin, started = supervised.start_plugin(WAITING, a=1)
    alive = supervised.client.request("status", plugin=plugin)
    listed = supervised.client.request("running")["plugins"]

    stopped = supervised.client.request("stop", plugin=plugin, delay_s=0)
    after = supervised.client.request("status", plugin=plugin)
    event = supervised.client.wait_event(timeout_s=5)

    assert alive == {"alive": True, **started, "exit": None}
    assert [(row["plugin"], row["pid"], row["parameters"]) for row in listed] == [
        (plugin, started["pid"], {"a": 1})
    ]
    assert stopped == {"stopped": True}
    assert after["exit"] == {"code": 0, "signal": None, "cause": "stopped"}
    assert not after["alive"]
    assert (event["event"], event["plugin"], event["cause"]) == ("exited", plugin, "stopped")
    assert not is_alive(started["pid"])


def test_stopping_what_does_not_run_says_so(shared_supervisor: Supervised) -> None:
    """A stop of a plugin that is not started answers that nothing was stopped."""
    answer = shared_supervisor.client.request("stop", plugin="absent", delay_s=0)

    assert answer == {"stopped": False}


def test_a_plugin_is_started_once(supervised: Supervised) -> None:
    """A second start is an error, until the first one ended."""
    plugin, digest = supervised.install(WAITING.encode())
    request = {"plugin": plugin, "digest": digest, "parameters": {}, "operation": ""}
    first = supervised.client.request("start", **request)

    with pytest.raises(AlreadyRunning):
        supervised.client.request("start", **request)
    supervised.client.request("stop", plugin=plugin, delay_s=0)
    second = supervised.client.request("start", **request)

    assert first["pid"] != second["pid"]


@pytest.mark.parametrize(
    ("source", "code", "number", "cause"),
    [
        ("def main(context):\n    return 1", 0, None, "finished"),
        ("def main(context):\n    raise ValueError('broken')", 1, None, "failed"),
        ("import os\ndef main(context):\n    os._exit(7)", 7, None, "crashed"),
        ("import ctypes\ndef main(context):\n    ctypes.string_at(0)", None, 11, "crashed"),
    ],
)
def test_the_end_of_a_started_plugin_is_told(
    shared_supervisor: Supervised, source: str, code: int | None, number: int | None, cause: str
) -> None:
    """How a started plugin ended comes as an event and stays in its status."""
    plugin, _ = shared_supervisor.start_plugin(source)

    event = shared_supervisor.client.wait_event(timeout_s=10)
    ended = shared_supervisor.client.request("status", plugin=plugin)["exit"]

    assert (event["plugin"], event["code"], event["signal"]) == (plugin, code, number)
    assert ended == {"code": code, "signal": number, "cause": cause}


def test_the_traceback_of_a_started_plugin_is_in_its_log(supervised: Supervised) -> None:
    """A started plugin has no caller, so its exception goes to its log."""
    plugin, _ = supervised.start_plugin("def main(context):\n    raise ValueError('broken')")
    supervised.client.wait_event(timeout_s=10)

    lines = supervised.client.request("logs", plugin=plugin)["lines"]

    assert lines[-1]["text"] == "ValueError: broken"
    assert lines[-1]["stream"] == "stderr"


def test_a_plugin_outlives_the_agent(supervised: Supervised) -> None:
    """When every client is gone, a started plugin goes on under the same pid."""
    _, started = supervised.start_plugin(WAITING)

    supervised.client.close()
    supervised.client = supervised.connect()

    listed = supervised.client.request("running")["plugins"]
    assert [row["pid"] for row in listed] == [started["pid"]]
    assert is_alive(started["pid"])


def test_a_killed_supervisor_takes_all_sandboxes_with_it(
    supervised: Supervised, eventually: Eventually
) -> None:
    """After SIGKILL of the supervisor nothing of a plugin runs; a new one starts from the disk."""
    plugin, _ = supervised.start_plugin(DEAF)
    supervised.start_plugin(WAITING)
    eventually(lambda: len(descendants(supervised.process.pid)) >= 6)
    inside = descendants(supervised.process.pid)

    supervised.kill()
    eventually(lambda: not any(map(is_alive, inside)))
    supervised.start()

    installed = supervised.client.request("installed")["plugins"]
    status = supervised.client.request("status", plugin=plugin)
    assert len(installed) == 2
    assert supervised.client.request("running") == {"plugins": []}
    assert status == {"alive": False, "pid": None, "started_at": None, "exit": None}


def test_a_sandbox_left_half_made_is_ended(supervised: Supervised) -> None:
    """What a supervisor killed while making sandboxes left is ended by the next one."""
    plugin, digest = supervised.install(DEAF.encode())
    tag = make_tag(supervised.state_dir)

    for delay_ms in range(0, 20, 4):
        supervised.client.send("start", plugin=plugin, digest=digest, parameters={})
        time.sleep(delay_ms / 1000)
        supervised.kill()
        supervised.start()

    assert end_orphans(tag) == 0


def test_orphans_are_found_by_their_tag() -> None:
    """Positive control: a process that ends with the tag is killed, another one is not."""
    wait = "import time; time.sleep(60)"
    with (
        subprocess.Popen([sys.executable, "-c", wait, "tag-of-test"]) as ours,
        subprocess.Popen([sys.executable, "-c", wait, "tag-of-test-2"]) as other,
    ):
        count = end_orphans("tag-of-test")
        code = ours.wait(10)
        alive = other.poll() is None
        other.kill()

    assert (count, code, alive) == (1, -9, True)


def test_logs_outlive_the_supervisor(supervised: Supervised, eventually: Eventually) -> None:
    """What a plugin wrote before the supervisor was killed can be read afterwards."""
    plugin, _ = supervised.start_plugin(WAITING)
    eventually(lambda: supervised.client.request("logs", plugin=plugin)["lines"] != [])

    supervised.kill()
    supervised.start()

    lines = supervised.client.request("logs", plugin=plugin)["lines"]
    assert [line["text"] for line in lines] == ["started"]


def test_a_state_directory_has_one_supervisor(supervised: Supervised) -> None:
    """A second supervisor for the same folder ends at once and harms nothing."""
    command = [sys.executable, "-m", "lightning_agent.supervisor"]

    second = subprocess.run(
        [*command, "--state-dir", str(supervised.state_dir)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert second.returncode == 3
    assert "another supervisor owns" in second.stderr
    assert supervised.client.request("hello", protocol=1)["pid"] == supervised.process.pid


def test_sigterm_stops_plugins_kindly(supervised: Supervised) -> None:
    """On SIGTERM plugins are asked to stop, the supervisor ends with 0 and removes its socket."""
    plugin, _ = supervised.start_plugin(WAITING)
    inside = descendants(supervised.process.pid)

    supervised.process.send_signal(signal.SIGTERM)
    code = supervised.process.wait(5)

    log = (supervised.state_dir / "logs" / f"{plugin}.log").read_text()
    assert code == 0
    assert "stopping" in log
    assert not any(map(is_alive, inside))
    assert not (supervised.state_dir / "supervisor.sock").exists()


def test_a_shutdown_request_ends_the_supervisor(supervised: Supervised) -> None:
    """The method shutdown answers and then ends the process."""
    answer = supervised.client.request("shutdown")

    assert answer == {}
    assert supervised.process.wait(5) == 0


def test_a_state_directory_that_cannot_be_used_is_named() -> None:
    """Where the folder cannot be made, one line says so and the exit code is 1."""
    command = [sys.executable, "-m", "lightning_agent.supervisor", "--state-dir", "/proc/none"]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    assert ended.returncode == 1
    assert "choose another --state-dir" in ended.stderr


def test_a_deaf_plugin_is_killed_after_the_grace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin that does not look at context.stopping is killed when its grace is over."""
    monkeypatch.setattr(runner, "GRACE_S", 0.3)
    (tmp_path / "plugin.py").write_text(DEAF)
    tmp_path.chmod(0o755)
    clock = Clock()
    loop = Loop(clock)
    children = Children(
        loop,
        clock=clock,
        logs=Logs(tmp_path, clock),
        cameras=Cameras(loop, tmp_path / "agent.toml"),
        find=lambda plugin, digest: (tmp_path, "plugin.py"),
        on_exit=lambda ended: None,
        time=TrustedTime(tmp_path, clock),
    )
    children.launcher = probe().launcher
    request = RunRequest(
        plugin="deaf", digest="", parameters={}, operation="", cameras=(), deadline_s=None
    )
    children.start(request)
    began = time.monotonic()

    children.stop("deaf", 0, lambda stopped: loop.stop())
    loop.later(10, loop.stop)
    loop.run()
    loop.close()

    assert children.status("deaf")["exit"] == {"code": None, "signal": 9, "cause": "killed"}
    assert 0.25 < time.monotonic() - began < 3


def lease_of(seconds: float) -> dict[str, object]:
    """Return a lease that has just come from the cloud."""
    now = time.time()
    return {"issued_s": now, "expires_s": now + seconds, "fresh": True}


def test_10_a_deaf_plugin_ends_with_its_lease(supervised: Supervised) -> None:
    """Killed on time, though nobody is connected any more, and refused under that lease again."""
    plugin, digest = supervised.install(DEAF.encode())
    lease = lease_of(1.5)
    request = {"plugin": plugin, "digest": digest, "parameters": {}, "operation": ""}
    started = supervised.client.request("start", **request, lease=lease)
    listed = supervised.client.request("running")["plugins"]
    supervised.client.close()
    began = time.monotonic()

    while is_alive(started["pid"]) and time.monotonic() - began < 10:
        time.sleep(0.05)
    lasted_s = time.monotonic() - began
    supervised.client = supervised.connect()
    after = supervised.client.request("status", plugin=plugin)

    assert 0 < listed[0]["lease_s"] <= 1.5
    assert 1.0 < lasted_s < 3.0
    assert after["exit"] == {"code": None, "signal": 9, "cause": "lease_expired"}
    with pytest.raises(LeaseOver):
        supervised.client.request("start", **request, lease={**lease, "fresh": False})


def test_a_lease_is_renewed_and_taken_away(supervised: Supervised) -> None:
    """A longer one keeps the plugin; none at all lets it run for good."""
    plugin, digest = supervised.install(WAITING.encode())
    supervised.client.request(
        "start", plugin=plugin, digest=digest, parameters={}, operation="", lease=lease_of(1.0)
    )

    renewed = supervised.client.request("lease", plugin=plugin, lease=lease_of(60.0))
    [left] = supervised.client.request("running")["plugins"]
    released = supervised.client.request("lease", plugin=plugin, lease=None)
    [free] = supervised.client.request("running")["plugins"]

    assert (renewed["held"], released["held"]) == (True, False)
    assert left["lease_s"] > 50
    assert free["lease_s"] is None


def test_what_must_end_is_killed_at_once(supervised: Supervised) -> None:
    """No grace: a deaf plugin is gone before the answer, with the cause it is told."""
    plugin, started = supervised.start_plugin(DEAF)
    began = time.monotonic()

    ended = supervised.client.request("end", plugin=plugin, cause="grant_revoked")

    assert (ended, time.monotonic() - began < 1.0) == ({"stopped": True}, True)
    assert not is_alive(started["pid"])
    assert supervised.client.request("status", plugin=plugin)["exit"]["cause"] == "grant_revoked"
    assert supervised.client.request("end", plugin=plugin, cause="x") == {"stopped": False}
