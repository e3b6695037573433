"""Attacks 17 to 31: privileges and the parts of the kernel that only root should reach."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import termios

from tests.abuse.attack import Attack
from tests.abuse.prelude import attempt, in_child, lets_in, libc, syscall

FILTER = {"EPERM": "seccomp"}
FILTERED = {"EPERM": "seccomp", "ENOSYS": "seccomp"}
OUT_OF_USER = {"EPERM": "user namespace", "EINVAL": "user namespace"}


def become_root(told):
    """Become root, or take every capability back."""

    def capset():
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        everything = (ctypes.c_uint32 * 6)(*([0xFFFFFFFF] * 2 + [0] * 4))
        if libc.capset(header, everything) != 0:
            raise OSError(ctypes.get_errno(), "capset")

    return {
        "setuid": in_child(lambda: os.setuid(0)),
        "setgroups": in_child(lambda: os.setgroups([0])),
        "capset": in_child(capset),
    }


def run_setuid(told):
    """Get rights from a setuid program: not where new privileges and setuid files are off."""
    return {
        "new privileges": attempt(lambda: libc.prctl(39, 0, 0, 0, 0) == 0),
        **{
            path: attempt(lambda path=path: not os.statvfs(path).f_flag & os.ST_NOSUID)
            for path in told["places"]
        },
    }


def new_user_namespace(told):
    """Make a user namespace, in which one has every capability."""

    def unshare():
        if libc.unshare(0x10000000) != 0:
            raise OSError(ctypes.get_errno(), "unshare")

    return {"unshare": in_child(unshare)}


def clone_namespaces(told):
    """The same by clone and clone3."""

    def clone():
        child = syscall("clone", 0x10000000 | 17, 0, 0, 0, 0)
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)

    def clone3():
        wanted = (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, 17)
        child = syscall("clone3", wanted, ctypes.sizeof(wanted))
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)

    return {"clone": in_child(clone), "clone3": in_child(clone3)}


def enter_namespaces(told):
    """Enter the namespaces of another process."""

    def enter():
        opened = syscall("pidfd_open", told["first"], 0)
        syscall("setns", opened, 0x40000000)

    return {
        "by pidfd": in_child(enter),
        "bad descriptor": attempt(lambda: lets_in("setns", -1, 0)),
    }


def mounts(told):
    """Mount, unmount, change the root."""

    def mount():
        if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) != 0:
            raise OSError(ctypes.get_errno(), "mount")

    return {
        "mount": in_child(mount),
        "mount, bad address": attempt(lambda: lets_in("mount", 1, 1, 1, 0, 0)),
        "fsopen": in_child(lambda: syscall("fsopen", b"tmpfs", 0)),
        "umount": attempt(lambda: lets_in("umount2", 1, 0)),
        "pivot_root": attempt(lambda: lets_in("pivot_root", 1, 1)),
    }


def change_root(told):
    """Change the root; a child of its own that ends at once."""
    return {"chroot": in_child(lambda: os.chroot("/tmp"))}


def make_device(told):
    """Make a node of the first disk, or of the memory."""

    def node(number):
        path = f"{told['work']}/node-{number}"
        os.mknod(path, 0o60600, os.makedev(number, 0))
        os.unlink(path)

    return {"disk": attempt(lambda: node(8)), "loop": attempt(lambda: node(7))}


def own_the_kernel(told):
    """Load a module or a kernel, reboot: it is enough to get as far as the arguments."""
    return {
        "init_module": attempt(lambda: lets_in("init_module", 0, 0, 0)),
        "kexec_load": attempt(lambda: lets_in("kexec_load", 0, 1, 0, 1)),
        "reboot": attempt(lambda: lets_in("reboot", 0, 0, 0, 0)),
    }


def trace_the_kernel(told):
    """Load a program into the kernel, read the processor's counters."""

    def counter():
        wanted = (ctypes.c_uint32 * 32)(1, 128, 0)
        os.close(syscall("perf_event_open", wanted, 0, -1, -1, 0))

    return {
        "bpf": attempt(lambda: lets_in("bpf", 0, 0, 0)),
        "perf_event_open": attempt(lambda: lets_in("perf_event_open", 1, 0, -1, -1, 0)),
        "a counter": attempt(counter),
    }


def page_faults(told):
    """Handle page faults of the kernel, a tool to win races in it."""
    return {"userfaultfd": attempt(lambda: os.close(syscall("userfaultfd", 1)))}


def rings(told):
    """Reach the kernel by io_uring, past a filter of system calls."""
    settings = (ctypes.c_uint8 * 120)()
    return {
        "setup": attempt(lambda: os.close(syscall("io_uring_setup", 2, settings))),
        "bad address": attempt(lambda: lets_in("io_uring_setup", 2, 1)),
    }


def keys(told):
    """Read and keep keys of the kernel's key rings."""
    return {"keyctl": attempt(lambda: syscall("keyctl", 0, -3, 1))}


def raise_limits(told):
    """Get more than was given: files, priority, real time."""

    def limit():
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard + 1, hard + 1))

    return {
        "descriptors": in_child(limit),
        "nice": in_child(lambda: os.setpriority(os.PRIO_PROCESS, 0, -5)),
        "real time": in_child(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))),
    }


def type_into_terminal(told):
    """Type a command into the terminal of whoever started the agent."""

    def push(descriptor):
        fcntl.ioctl(descriptor, termios.TIOCSTI, b"x")

    def terminal():
        opened = os.open("/dev/tty", os.O_RDWR)
        push(opened)

    return {
        **{f"descriptor {n}": attempt(lambda n=n: push(n)) for n in (0, 1, 2)},
        "/dev/tty": attempt(terminal),
    }


TABLE = (
    Attack(
        number=17,
        title="setuid(0), setgroups, capset",
        leak="root's powers",
        source=become_root,
        stopped=OUT_OF_USER,
    ),
    Attack(
        number=18,
        title="run a setuid binary",
        leak="root's powers",
        source=run_setuid,
        stopped={"refused": "no new privileges"},
        outside={"places": ["{scratch}"]},
    ),
    Attack(
        number=19,
        title="unshare a user namespace",
        leak="every capability in it, and so much more of the kernel",
        source=new_user_namespace,
        stopped={"EPERM": "seccomp", "ENOSPC": "user namespace"},
    ),
    Attack(
        number=20,
        title="clone, clone3 with a user namespace",
        leak="every capability in it, and so much more of the kernel",
        source=clone_namespaces,
        stopped={**FILTERED, "ENOSPC": "user namespace"},
    ),
    Attack(
        number=21,
        title="setns",
        leak="the view of another process",
        source=enter_namespaces,
        stopped=FILTER,
        ground="own",
        outside={"first": 1},
    ),
    Attack(
        number=22,
        title="mount, fsopen, umount, pivot_root",
        leak="another view",
        source=mounts,
        stopped=FILTER,
        ground="own",
    ),
    Attack(
        number=23,
        title="chroot",
        leak="another view",
        source=change_root,
        stopped=FILTER,
    ),
    Attack(
        number=24,
        title="mknod",
        leak="the board's disks",
        source=make_device,
        stopped={"EPERM": "seccomp"},
        outside={"work": "{scratch}"},
    ),
    Attack(
        number=25,
        title="init_module, kexec, reboot",
        leak="the kernel",
        source=own_the_kernel,
        stopped=FILTER,
        ground="own",
    ),
    Attack(
        number=26,
        title="bpf, perf_event_open",
        leak="more of the kernel to attack, timings of others",
        source=trace_the_kernel,
        stopped=FILTER,
    ),
    Attack(
        number=27,
        title="userfaultfd",
        leak="a tool to win races in the kernel",
        source=page_faults,
        stopped=FILTER,
    ),
    Attack(
        number=28,
        title="io_uring",
        leak="system calls past the filter",
        source=rings,
        stopped=FILTER,
    ),
    Attack(
        number=29,
        title="keyctl",
        leak="keys, and a place to leave data for others",
        source=keys,
        stopped=FILTER,
    ),
    Attack(
        number=30,
        title="raise own limits, nice, real time",
        leak="more than was given",
        source=raise_limits,
        stopped={"ValueError": "rlimit", "EPERM": "user namespace", "EACCES": "user namespace"},
    ),
    Attack(
        number=31,
        title="TIOCSTI",
        leak="a command typed for whoever started the agent",
        source=type_into_terminal,
        stopped={"EPERM": "seccomp", "ENXIO": "session", "ENOTTY": "session"},
        ground="terminal",
    ),
)
