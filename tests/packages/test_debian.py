"""The Debian package of the agent, installed in a fresh Debian 12; the tests stand in order."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from pathlib import Path

import pytest

from iotronic_mec import __version__
from tests.packages import system
from tests.packages.conftest import Built, build
from tests.packages.system import System

pytestmark = pytest.mark.timeout(1200)

STATE = "/var/lib/lightning-agent"
SETTINGS = "/etc/lightning-agent"
SITE = "usr/lib/lightning-agent/lib/python3.11/site-packages"
WANTED = "/etc/systemd/system/multi-user.target.wants"
UNITS = ("lightning-agent.service", "lightning-agent-supervisor.service")

MACHINES = {"amd64": 62, "arm64": 183}
"""Debian's architecture → number in an ELF file. Source: elf.h, EM_X86_64, EM_AARCH64."""

LINKED = """
import pathlib, subprocess, sys
# not alone: what modules bring, found by way of them; and plug-ins of ai-edge-litert for makers'
# accelerators, which are loaded where their makers' libraries are
PASSED_OVER = (".libs/", "/ai_edge_litert/vendors/")
for file in sorted(pathlib.Path(sys.argv[1]).rglob("*.so*")):
    if not any(part in str(file) for part in PASSED_OVER):
        said = subprocess.run(["ldd", file], capture_output=True, text=True, timeout=30).stdout
        print(*(f"{file.name}: {line}" for line in said.splitlines() if "not found" in line))
"""


def libraries(root: Path) -> set[int]:
    """Return the machines that the native libraries below a folder are for."""
    found = set()
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                head = file.read(20)
            if head.startswith(b"\x7fELF"):
                found.add(struct.unpack_from("<H", head, 18)[0])
    return found


def test_the_command_works(installed: System) -> None:
    """It is the version that was built, whatever folder and variables it is called with."""
    assert installed.run("lightning-agent", "--version").stdout.strip() == __version__

    (installed.root / "trap").mkdir()
    (installed.root / "trap/lightning_agent.py").write_text("raise SystemExit('trapped')\n")
    trap = ("env", "-C", "/trap", "PYTHONPATH=/trap")
    control = installed.run(*trap, "python3", "-c", "import lightning_agent", check=False)
    assert "trapped" in control.stderr
    assert installed.run(*trap, "lightning-agent", "--version").stdout.strip() == __version__


def test_user_group_and_folders_are_made(installed: System) -> None:
    """The agent has a user without a shell, and a folder nobody else reads."""
    entry = installed.run("getent", "passwd", "lightning-agent").stdout.strip().split(":")

    assert entry[5:] == [STATE, "/usr/sbin/nologin"]
    assert 100 <= int(entry[2]) < 1000
    assert installed.owner(STATE) == "lightning-agent:lightning-agent 700"
    assert installed.owner(SETTINGS) == "root:lightning-agent 750"


def test_nothing_installed_can_be_changed_by_the_agent(installed: System) -> None:
    """All files belong to root, none is open to others."""
    listed = installed.run("dpkg", "--listfiles", "lightning-agent").stdout.split()
    files = [installed.root / name.lstrip("/") for name in listed]
    open_files = [
        str(file)
        for file in files
        if not file.is_symlink() and (file.stat().st_uid != 0 or file.stat().st_mode & 0o6022)
    ]

    assert len(files) > 1000
    assert open_files == []
    assert installed.run("dpkg", "--verify", "lightning-agent").stdout == ""


def test_the_cloud_is_not_in_it(installed: System) -> None:
    """A board gets the agent's half of the wheel, and no tools of its libraries."""
    site = installed.root / SITE

    assert (site / "lightning_agent/py.typed").is_file()
    assert not (site / "iotronic_mec").exists()
    assert not (site / "bin").exists()


def test_its_libraries_are_the_pinned_ones(installed: System, repository: Path) -> None:
    """Each library has the version of constraints.txt, and is whole."""
    lines = (repository / "constraints.txt").read_text(encoding="utf-8").split()
    pins = dict(line.split("==") for line in lines)
    listing = (
        "from importlib.metadata import distributions\n"
        "for each in distributions():\n"
        "    gone = [f for f in each.files or [] if not f.locate().exists()]\n"
        "    print(each.name.lower().replace('_', '-'), each.version, len(gone))\n"
    )
    python = "/usr/lib/lightning-agent/bin/python3"
    found = [line.split() for line in installed.run(python, "-c", listing).stdout.splitlines()]

    assert {"numpy", "twisted", "pillow", "ai-edge-litert"} <= {name for name, _, _ in found}
    for name, version, gone in found:
        wanted = __version__ if name == "iotronic-mec" else pins[name.replace(".", "-")]
        assert (name, version, gone) == (name, wanted, "0")


def test_its_native_libraries_find_all_they_need(installed: System) -> None:
    """What the package says it depends on is enough for the dynamic linker."""
    assert installed.run("python3", "-c", LINKED, f"/{SITE}").stdout.strip() == ""

    crippled = installed.root / "crippled"
    crippled.mkdir()
    source = next((installed.root / SITE / "numpy/core").glob("_multiarray_umath*.so"))
    (crippled / source.name).write_bytes(source.read_bytes())
    assert "not found" in installed.run("python3", "-c", LINKED, "/crippled").stdout


def test_the_engine_and_the_pictures_work(installed: System) -> None:
    """Debian's interpreter loads the native libraries, also with bytecode nobody can write."""
    code = (
        "import ai_edge_litert.interpreter, tflite_runtime.interpreter, numpy, PIL.Image, nacl\n"
        "import msgpack, OpenSSL.SSL, sys\n"
        "print(sys.version_info[:2], PIL.Image.new('L', (2, 3)).size, sum(numpy.ones(3)))"
    )
    done = installed.run("/usr/lib/lightning-agent/bin/python3", "-c", code)

    assert done.stdout.strip() == "(3, 11) (2, 3) 3.0"


def test_the_units_are_enabled(installed: System) -> None:
    """Both start with the machine; here no systemd runs, and nothing was started."""
    for unit in UNITS:
        assert os.readlink(installed.root / f"{WANTED}/{unit}".lstrip("/")) == (
            f"/lib/systemd/system/{unit}"
        )


def test_doctor_finds_a_sandbox(installed: System) -> None:
    """Called by root it looks as the agent's user, and leaves nothing that is root's."""
    done = installed.run("lightning-agent", "doctor", "--json", check=False)
    diagnosis = json.loads(done.stdout)
    checks = {check["name"]: check for check in diagnosis["checks"]}

    assert diagnosis["level"] != "refuse", diagnosis
    assert {name for name, check in checks.items() if not check["ok"]} <= {"identity", "cloud"}
    assert "lightning-agent enrol" in checks["identity"]["cure"]
    assert done.returncode == 1
    owners = installed.run("find", STATE, "-printf", "%u\\n").stdout.split()
    assert set(owners) == {"lightning-agent"}


def test_an_upgrade_keeps_state_and_settings(installed: System, built: Built) -> None:
    """The board's key, the owner's files and the owner's "disable" are as before."""
    (installed.root / "keep").write_text("mine\n")
    for folder in (STATE, SETTINGS):
        installed.run("install", "-m", "0640", "/keep", f"{folder}/mine")
    installed.run("systemctl", "disable", UNITS[0])

    installed.run("dpkg", "--install", f"/{built.deb.name}")

    assert installed.run("cat", f"{STATE}/mine", f"{SETTINGS}/mine").stdout == "mine\nmine\n"
    assert installed.owner(STATE) == "lightning-agent:lightning-agent 700"
    assert not os.path.lexists(installed.root / f"{WANTED}/{UNITS[0]}".lstrip("/"))
    assert os.path.lexists(installed.root / f"{WANTED}/{UNITS[1]}".lstrip("/"))


def test_remove_keeps_the_state(installed: System) -> None:
    """A removed agent can be installed again and is the same board."""
    installed.run("dpkg", "--remove", "lightning-agent")

    assert installed.run("cat", f"{STATE}/mine").stdout == "mine\n"
    assert not (installed.root / "usr/bin/lightning-agent").exists()
    assert not (installed.root / "usr/lib/lightning-agent").exists()


def test_purge_removes_all(installed: System, base: Path) -> None:
    """No file, no user, no group and no link of it is left."""
    installed.run("dpkg", "--purge", "lightning-agent")

    assert installed.run("getent", "passwd", "lightning-agent", check=False).returncode == 2
    assert installed.run("getent", "group", "lightning-agent", check=False).returncode == 2
    left = installed.run(
        *("find", "/", "-xdev", "-name", "*lightning*", "-not", "-path", "/lightning-agent_*"),
        *("-not", "-path", "/trap/*", "-print"),
    )
    assert left.stdout.split() == []


def test_a_missing_dependency_is_named(base: Path, built: Built, tmp_path: Path) -> None:
    """Without bubblewrap dpkg does not configure it."""
    debian = system.copy(base, tmp_path / "root")
    debian.run("dpkg", "--purge", "bubblewrap")

    done = debian.run("dpkg", "--install", debian.copy_in(built.deb), check=False)

    assert done.returncode != 0
    assert "lightning-agent depends on bubblewrap" in done.stderr


def test_another_architecture_is_built_here(
    repository: Path, built: Built, tmp_path: Path
) -> None:
    """The package for 64-bit ARM holds its libraries, and not one of this machine's."""
    here = built.deb.stem.rpartition("_")[2]
    other = "arm64" if here == "amd64" else "amd64"
    made = {
        here: built.deb,
        other: build(repository, tmp_path / "dist", "--architecture", other).deb,
    }

    for architecture, deb in made.items():
        folder = tmp_path / architecture
        subprocess.run(["dpkg-deb", "--extract", deb, folder], check=True, timeout=120)
        assert libraries(folder) == {MACHINES[architecture]}
        said = subprocess.run(
            ["dpkg-deb", "--field", deb, "Architecture"],
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert said.stdout.strip() == architecture
