"""Attacks 1 to 16: files and the pseudo file systems."""

from __future__ import annotations

import os
import sys

from tests.abuse.attack import Attack
from tests.abuse.prelude import attempt, read, write

HIDDEN = {"ENOENT": "view"}
READ_ONLY = {"EROFS": "read-only view", "EACCES": "uid"}


def read_shadow(told):
    """Read the password hashes."""
    return {"shadow": attempt(lambda: read("/etc/shadow"))}


def read_passwd(told):
    """Read the names of users."""
    return {"passwd": attempt(lambda: read("/etc/passwd"))}


def read_settings(told):
    """Read what makes the board the board: settings, key, state."""
    folder = told["state_dir"]
    return {
        "list": attempt(lambda: os.listdir(folder)),
        "settings": attempt(lambda: read(f"{folder}/agent.toml")),
        "key": attempt(lambda: read(told["key"])),
    }


def list_homes(told):
    """List folders of people and of the system; the way to the interpreter is known anyway."""

    def strange(path):
        known = set("/".join([sys.base_prefix, sys.executable, *sys.path]).split("/"))
        return bool(set(os.listdir(path)) - known)

    return {path: attempt(lambda path=path: strange(path)) for path in ("/home", "/root", "/var")}


def write_usr(told):
    """Write where the system's programs are."""
    return {"usr": attempt(lambda: write(f"{told['usr']}/planted"))}


def write_runtime(told):
    """Change the standard library and the sandbox's own code."""
    return {
        name: attempt(lambda path=path: write(path, b"", "ab"))
        for name, path in told["runtime"].items()
    }


def write_packages(told):
    """Plant a module where all plugins import from."""
    return {path: attempt(lambda path=path: write(f"{path}/p.py")) for path in told["packages"]}


def read_neighbour(told):
    """Read what another tenant's plugin has in its work folder at this moment."""

    def search():
        found = [path for path in ("/job", "/tmp", "/dev/shm") if "secret" in os.listdir(path)]
        return bool(found)

    return {
        "by pid": attempt(lambda: read(f"/proc/{told['neighbour']}/root/job/secret")),
        "by name": attempt(search),
    }


def link_runtime(told):
    """Keep a file of the runtime by a hard link, to change it later."""
    return {"link": attempt(lambda: os.link(told["file"], f"{told['work']}/linked"))}


def process_root(told):
    """Leave by the roots of processes."""
    return {
        pid: attempt(lambda pid=pid: os.listdir(f"/proc/{pid}/root/")) for pid in ("self", "1")
    }


def process_memory(told):
    """Look into the first process."""
    return {
        name: attempt(lambda name=name: read(f"/proc/1/{name}"))
        for name in ("mem", "environ", "cmdline")
    }


def kernel_settings(told):
    """Change the kernel's settings, or have it do a SysRq; opened only, never written."""
    paths = ("/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger")
    return {
        path: attempt(lambda path=path: os.close(os.open(path, os.O_WRONLY))) for path in paths
    }


def list_sys(told):
    """List the machine's devices and the kernel's features."""
    return {
        path: attempt(lambda path=path: os.listdir(path))
        for path in ("/sys/kernel", "/sys/class", "/sys/fs/cgroup")
    }


TABLE = (
    Attack(
        number=1,
        title="read /etc/shadow",
        leak="password hashes of the board's users",
        source=read_shadow,
        stopped=HIDDEN,
    ),
    Attack(
        number=2,
        title="read /etc/passwd",
        leak="names of the board's users",
        source=read_passwd,
        stopped=HIDDEN,
    ),
    Attack(
        number=3,
        title="read the agent's settings, key and state",
        leak="the board's identity",
        source=read_settings,
        stopped=HIDDEN,
    ),
    Attack(
        number=4,
        title="list /home, /root, /var",
        leak="names of what is on the board",
        source=list_homes,
        stopped={**HIDDEN, "refused": "view"},
    ),
    Attack(
        number=5,
        title="write to /usr",
        leak="a changed system",
        source=write_usr,
        stopped=READ_ONLY,
        outside={"usr": "{scratch}"},
    ),
    Attack(
        number=6,
        title="write to the runtime",
        leak="code of one tenant in all sandboxes",
        source=write_runtime,
        stopped=READ_ONLY,
        outside={"runtime": {"os": "{scratch}/os.py", "child": "{scratch}/child.py"}},
    ),
    Attack(
        number=7,
        title="write to a package folder",
        leak="code of one tenant in all sandboxes",
        source=write_packages,
        stopped=READ_ONLY,
        outside={"packages": ["{scratch}"]},
    ),
    Attack(
        number=8,
        title="read another tenant's work folder",
        leak="another tenant's data",
        source=read_neighbour,
        stopped={**HIDDEN, "refused": "view"},
    ),
    Attack(
        number=9,
        title="hard link to a runtime file",
        leak="a way to change it later",
        source=link_runtime,
        stopped={"EXDEV": "view", "EPERM": "uid"},
        outside={"file": "{scratch}/os.py", "work": "{scratch}"},
    ),
    Attack(
        number=10,
        title="a symbolic link as result file",
        leak="the agent reads a file of the board for the tenant",
        pending="C: files as results",
    ),
    Attack(
        number=11,
        title="a folder swapped for a link while files are collected",
        leak="the agent reads a file of the board for the tenant",
        pending="C: files as results",
    ),
    Attack(
        number=12,
        title="a FIFO or a device as result file",
        leak="the agent waits for ever, or reads a device",
        pending="C: files as results",
    ),
    Attack(
        number=13,
        title="/proc/self/root, /proc/1/root",
        leak="the board's files",
        source=process_root,
        stopped=HIDDEN,
    ),
    Attack(
        number=14,
        title="/proc/1/mem, environ, cmdline",
        leak="memory and settings of the first process",
        source=process_memory,
        stopped=HIDDEN,
    ),
    Attack(
        number=15,
        title="write /proc/sys, sysrq",
        leak="the kernel's settings",
        source=kernel_settings,
        stopped=HIDDEN,
    ),
    Attack(
        number=16,
        title="list /sys",
        leak="what the machine is",
        source=list_sys,
        stopped=HIDDEN,
    ),
)
