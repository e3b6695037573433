"""A Debian 12 system in a folder, to install the agent's package in.

It is made by debootstrap once, with what the package depends on, and kept below ``.tox``; tests
work on copies. It is entered by ``pivot_root``, with process numbers and mounts of its own: in a
plain chroot the kernel refuses user namespaces, and so the sandbox. The network is this machine's.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from packages.debian_package import ARCHITECTURES, host_architecture

REPOSITORY = Path(__file__).resolve().parents[2]

SUITE = "bookworm"

WITH = "adduser,bubblewrap,ca-certificates,init-system-helpers,libseccomp2,python3,systemd"
"""What the package depends on, and systemd: dpkg fetches nothing."""

HOST_ARCHITECTURE = host_architecture()

MAKE_S = 2400
"""Longest time for debootstrap, seconds; it fetches some 60 MB, and a kernel for a board. Another
processor takes half an hour on two cores."""

COMMAND_S = 300
"""Longest time of one command in the system, seconds."""

ENTER = """
set -eu
mount --make-rprivate /
mount --bind "$ROOT" "$ROOT"
cd "$ROOT"
mkdir -p .host
mount -t proc -o nosuid,nodev,noexec proc proc
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t tmpfs -o nosuid,mode=755 tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs run
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs tmp
pivot_root . .host
umount -l /.host
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
"""


class System:
    """One copy of the system.

    :param root: its folder
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(
        self, *arguments: str, check: bool = True, limit_s: float = COMMAND_S
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as root in it; all it started ends with it.

        :param check: fail when the program's exit code is not 0
        """
        done = subprocess.run(
            [
                *("unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"),
                *("sh", "-c", ENTER, "enter", *arguments),
            ],
            env={"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "ROOT": str(self.root)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def copy_in(self, file: Path) -> str:
        """Copy a file into its root folder; return the path in it."""
        shutil.copy2(file, self.root / file.name)
        return f"/{file.name}"

    def owner(self, path: str) -> str:
        """Return owner, group and mode of a path, e.g. ``root:root 755``."""
        return self.run("stat", "-c", "%U:%G %a", path).stdout.strip()


def untouched(system: System) -> None:
    """Leave a system as debootstrap made it."""


def make_base(
    packages: str = WITH,
    architecture: str = HOST_ARCHITECTURE,
    finish: Callable[[System], None] = untouched,
) -> Path:
    """Return a system to copy, made when absent.

    :param packages: what it has beyond a minimal one, with commas
    :param architecture: Debian's name; one of another processor is run by QEMU, see
        :func:`let_run`
    :param finish: called once with the system just made
    """
    if os.geteuid() != 0:
        raise RuntimeError("a Debian system is made and entered by root: run this as root")
    missing = [name for name in ("debootstrap", "unshare", "pivot_root") if not find(name)]
    if missing:
        raise RuntimeError(
            f"missing: {', '.join(missing)}: apt-get install debootstrap util-linux"
        )
    digest = hashlib.sha256(f"{SUITE} {architecture} {packages}".encode()).hexdigest()[:12]
    base = REPOSITORY / ".tox" / "systems" / f"{SUITE}-{architecture}-{digest}"
    base.parent.mkdir(parents=True, exist_ok=True)
    with base.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (base / ".made").exists():
            shutil.rmtree(base, ignore_errors=True)
            let_run(architecture)
            debootstrap(base, packages, architecture)
            finish(System(base))
            (base / ".made").touch()
    return base


def let_run(architecture: str) -> None:
    """See that this machine can run programs of an architecture.

    :raises RuntimeError: it cannot; the message says what to install
    """
    if architecture == HOST_ARCHITECTURE:
        return
    entry = f"qemu-{ARCHITECTURES[architecture]}"
    folder = Path("/proc/sys/fs/binfmt_misc")
    if not (folder / "register").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", folder], check=False)
    program = find("update-binfmts")
    if program is not None and not (folder / entry).exists():
        subprocess.run([program, "--enable", entry], check=False)
    if not (folder / entry).exists():
        cure = "apt-get install qemu-user-static binfmt-support"
        raise RuntimeError(f"programs of {architecture} do not run here: {cure}")


def debootstrap(base: Path, packages: str, architecture: str) -> None:
    """Make the system; without a mirror of this machine's apt, from Debian's own."""
    command = ["debootstrap", "--variant=minbase", f"--arch={architecture}"]
    command += [f"--include={packages}", SUITE, str(base)]
    mirror = host_mirror()
    done = subprocess.run(
        [*command, *([mirror] if mirror else [])],
        # of a kernel no initial file system: twice ten minutes where the processor is emulated
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "INITRD": "No"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=MAKE_S,
        check=False,
    )
    assert done.returncode == 0, f"debootstrap: {done.stdout[-3000:]}{done.stderr[-1000:]}"


def host_mirror() -> str | None:
    """Return the mirror this machine's apt takes the suite from, if it says."""
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for file in files:
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        for stanza in text.split("\n\n"):
            if re.search(rf"^Suites:.*\b{SUITE}(\s|$)", stanza, re.MULTILINE):
                found = re.search(r"^URIs:\s*(\S+)", stanza, re.MULTILINE)
            else:
                found = re.search(rf"^deb (?:\[[^]]*\] )?(\S+) {SUITE} ", stanza, re.MULTILINE)
            if found:
                return found[1]
    return None


def find(program: str) -> str | None:
    """Return where a program is, also among the administrator's."""
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def copy(base: Path, to: Path) -> System:
    """Return a fresh copy of the system."""
    command = ["cp", "--archive", "--reflink=auto", str(base), str(to)]
    subprocess.run(command, check=True, timeout=COMMAND_S)
    return System(to)
