"""The probe: what it finds, and that nothing runs where the sandbox cannot be had."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lightning_agent.errors import SandboxRefused
from lightning_agent.sandbox.launcher import find_bwrap
from lightning_agent.sandbox.probe import probe
from lightning_agent.sandbox.profile import AGENT_PATH
from lightning_agent.supervisor.client import connect
from tests.agent.supervised import Supervised

ROOT = Path(__file__).resolve().parents[2]

ANSWERING = b"def main(context):\n    return 1\n"


def test_the_sandbox_can_be_had_here() -> None:
    """Positive control: on the machine of the tests all needed checks are good."""
    findings = probe()

    assert findings.level == "standard"
    assert findings.launcher is not None
    assert [check.name for check in findings.checks if check.needed and not check.ok] == []


def test_without_bubblewrap_everything_is_refused() -> None:
    """Where bubblewrap is missing, the level is refuse and the cure is a command."""
    findings = probe(find_program=lambda: None)

    assert findings.level == "refuse"
    assert findings.launcher is None
    assert findings.reasons[0] == "bubblewrap: not installed; sudo apt-get install -y bubblewrap"


def test_a_bubblewrap_that_fails_is_refused(tmp_path: Path) -> None:
    """What counts is the trial, not that a program of that name exists."""
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)

    findings = probe(find_program=lambda: str(broken))

    assert findings.level == "refuse"
    assert "No permissions" in findings.reasons[0]


def test_a_bubblewrap_that_confines_nothing_is_refused(tmp_path: Path) -> None:
    """A wrapper that runs the command without confinement is found out by the trial."""
    liar = tmp_path / "bwrap"
    # what is not mounted is found elsewhere: the trial runs, and finds no wall
    liar.write_text(
        f"#!{sys.executable}\n"
        "import os, sys\n"
        "command = sys.argv[sys.argv.index('--') + 1:]\n"
        f"found = [word.replace({AGENT_PATH!r}, {str(ROOT)!r}) for word in command]\n"
        "os.execvp(found[0], found)\n"
    )
    liar.chmod(0o755)

    findings = probe(find_program=lambda: str(liar))

    assert findings.level == "refuse"
    assert "the trial sandbox has" in findings.reasons[0]


def test_the_cure_names_the_setting_that_forbids_it(tmp_path: Path) -> None:
    """Where a kernel setting is known to forbid user namespaces, the cure changes that one."""
    setting = tmp_path / "unprivileged_userns_clone"
    setting.write_text("0\n")
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)

    findings = probe(lambda: str(broken), ((str(setting), "0", "sudo sysctl -w that=1"),))

    assert findings.reasons[0].endswith("sudo sysctl -w that=1")


def test_the_supervisor_tells_its_checks(shared_supervisor: Supervised) -> None:
    """The method probe tries again and answers what doctor shows."""
    answer = shared_supervisor.client.request("probe")

    assert answer["level"] == "standard"
    assert all(set(check) == {"name", "ok", "detail", "cure"} for check in answer["checks"])
    assert {"bubblewrap", "namespaces", "camera", "inference"} <= {
        check["name"] for check in answer["checks"]
    }


@pytest.mark.parametrize(
    ("more", "level"),
    [(["--disable-userns"], "refuse"), ([], "standard")],
    ids=["refused", "allowed"],
)
def test_where_user_namespaces_are_refused_nothing_runs(
    tmp_path: Path, more: list[str], level: str
) -> None:
    """A real supervisor in a place without user namespaces says so, and refuses every call."""
    bwrap = find_bwrap()
    assert bwrap is not None
    state_dir = tmp_path / "state"
    state_dir.mkdir(mode=0o700)
    place = [bwrap, "--unshare-user", "--uid", "1000", *more, "--dev-bind", "/", "/"]
    command = [sys.executable, "-m", "lightning_agent.supervisor", "--state-dir", str(state_dir)]
    with subprocess.Popen([*place, "--die-with-parent", *command], env=os.environ) as process:
        supervised = _Placed(tmp_path, state_dir, process)
        try:
            hello = supervised.client.request("hello", protocol=1)
            plugin, digest = supervised.install(ANSWERING)
            outcome = _outcome(supervised, plugin, digest)
        finally:
            supervised.client.close()
            process.terminate()
            process.wait(10)

    assert hello["level"] == level
    assert bool(hello["reasons"]) is (level == "refuse")
    assert outcome == ("sandbox_refused" if level == "refuse" else "1")


class _Placed(Supervised):
    """A supervisor that somebody else started."""

    def __init__(self, folder: Path, state_dir: Path, process: subprocess.Popen[bytes]) -> None:
        self.given = process
        super().__init__(folder)

    def start(self) -> None:
        """Connect only."""
        self.process = self.given
        self.client = connect(self.state_dir, timeout_s=20)


def _outcome(supervised: Supervised, plugin: str, digest: str) -> str:
    try:
        return str(supervised.call(plugin, digest)["result"])
    except SandboxRefused as error:
        return error.code
