"""The units that are shipped mean to systemd what they say."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.packages import system
from tests.packages.system import REPOSITORY, System

pytestmark = pytest.mark.timeout(1200)

UNITS = sorted(path.name for path in (REPOSITORY / "etc/systemd").glob("*.service"))


@pytest.fixture(scope="module")
def debian(base: Path, tmp_path_factory: pytest.TempPathFactory) -> System:
    """Make a system that has the units, and stand-ins for the programs and users they name."""
    made = system.copy(base, tmp_path_factory.mktemp("units") / "root")
    for unit in UNITS:
        text = (REPOSITORY / "etc/systemd" / unit).read_text(encoding="utf-8")
        shutil.copy2(REPOSITORY / "etc/systemd" / unit, made.root / "etc/systemd/system")
        program = re.search(r"^ExecStart=(\S+)", text, re.MULTILINE)
        assert program is not None
        stand_in = made.root / program[1].lstrip("/")
        stand_in.write_text("#!/bin/sh\n")
        stand_in.chmod(0o755)
    return made


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_understands_it(debian: System, unit: str) -> None:
    """systemd-analyze has nothing to say about it."""
    done = debian.run("systemd-analyze", "verify", "--man=no", f"/etc/systemd/system/{unit}")

    assert about(done.stdout + done.stderr, unit) == []


@pytest.mark.parametrize(
    "line", ["ProtectSytem=strict", "RestartSec=soon", "ExecStartPre=/usr/bin/absent"]
)
def test_a_planted_fault_is_found(debian: System, line: str) -> None:
    """The check above can fail."""
    text = (REPOSITORY / "etc/systemd" / UNITS[0]).read_text(encoding="utf-8")
    planted = debian.root / "etc/systemd/system/planted.service"
    planted.write_text(text.replace("[Service]\n", f"[Service]\n{line}\n"))

    done = debian.run(
        "systemd-analyze", "verify", "--man=no", "/etc/systemd/system/planted.service", check=False
    )

    assert about(done.stdout + done.stderr, "planted.service") != []


def about(said: str, unit: str) -> list[str]:
    """Return the lines that are about a unit: others of the system are not ours."""
    return [line for line in said.splitlines() if unit in line]


def test_all_units_are_here() -> None:
    """The cloud's four processes, the agent and its supervisor."""
    assert sorted(unit.removesuffix(".service") for unit in UNITS) == [
        "iotronic-mec-api",
        "iotronic-mec-conductor",
        "iotronic-mec-gateway",
        "iotronic-mec-wamp-agent",
        "lightning-agent",
        "lightning-agent-supervisor",
    ]
