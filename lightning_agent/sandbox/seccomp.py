"""The system-call filter of tenants' code, made once by the supervisor.

A deny list: arbitrary Python with native wheels runs, and what reaches for other processes, the
kernel's own interfaces, namespaces or the network gets EPERM.  libseccomp writes the program for
this machine; inside the sandbox it is only handed to the kernel.

Source: libseccomp 2.5, seccomp_rule_add(3); Linux man-pages, syscalls(2).
"""

from __future__ import annotations

import errno
import importlib
import logging
import os
import platform
from typing import Any

LOG = logging.getLogger(__name__)

NAMESPACE_FLAGS = 0x7E020080
"""Flags of ``clone`` that make a namespace.  Source: linux/sched.h."""

TERMINAL_CONTROLS = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX: type into a terminal.  Source: asm-generic/ioctls.h."""

LOCAL_SOCKETS = 1
"""AF_UNIX, the one family a sandbox may open.  Source: bits/socket.h."""

DENIED = (
    # other processes
    *("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd"),
    *("process_madvise", "process_mrelease"),
    # mounts and roots
    *("mount", "umount", "umount2", "fsopen", "fsconfig", "fsmount", "fspick", "move_mount"),
    *("open_tree", "mount_setattr", "chroot", "pivot_root", "unshare", "setns"),
    # the kernel itself
    *("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot"),
    *("swapon", "swapoff", "bpf", "perf_event_open", "userfaultfd", "syslog", "acct", "iopl"),
    *("ioperm", "quotactl", "quotactl_fd", "nfsservctl", "lookup_dcookie", "vhangup"),
    *("keyctl", "add_key", "request_key", "io_uring_setup", "io_uring_enter"),
    *("io_uring_register", "memfd_create", "memfd_secret", "open_by_handle_at"),
    *("name_to_handle_at", "fanotify_init", "fanotify_mark"),
    # time and identity of the machine
    *("settimeofday", "clock_settime", "clock_settime64", "clock_adjtime", "clock_adjtime64"),
    *("adjtimex", "stime", "sethostname", "setdomainname", "personality", "mknod", "mknodat"),
    # memory that counts for nobody, and outlives a process
    *("shmget", "msgget", "semget", "modify_ldt"),
    # memory of other nodes
    *("mbind", "set_mempolicy", "get_mempolicy", "migrate_pages", "move_pages"),
    *("set_mempolicy_home_node",),
)
"""Refused with EPERM, whatever the arguments."""

MACHINES = {"x86_64": "X86_64", "aarch64": "AARCH64", "armv7l": "ARM"}
"""What the kernel calls a machine → libseccomp's word, for filters of other machines."""


class FilterUnavailable(Exception):
    """The library that writes the filter is not here."""


def build(machine: str | None = None) -> bytes:
    """Return the filter as the kernel reads it.

    :param machine: a key of :data:`MACHINES`; default: this one
    :raises FilterUnavailable: pyseccomp or libseccomp is missing
    """
    seccomp = load()
    made = seccomp.SyscallFilter(seccomp.ALLOW)
    if machine is not None and machine != platform.machine():
        made.add_arch(getattr(seccomp.Arch, MACHINES[machine]))
        made.remove_arch(seccomp.Arch.NATIVE)
    refused = seccomp.ERRNO(errno.EPERM)
    for name in DENIED:
        _deny(made, refused, name)
    # without clone3, libc uses clone, whose flags can be looked at
    _deny(made, seccomp.ERRNO(errno.ENOSYS), "clone3")
    for flag in (1 << bit for bit in range(32) if NAMESPACE_FLAGS >> bit & 1):
        _deny(made, refused, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, flag, flag))
    for code in TERMINAL_CONTROLS:
        # the kernel looks at the lower half of the argument
        _deny(made, refused, "ioctl", seccomp.Arg(1, seccomp.MASKED_EQ, 0xFFFFFFFF, code))
    for call in ("socket", "socketpair"):
        _deny(made, refused, call, seccomp.Arg(0, seccomp.NE, LOCAL_SOCKETS))
    return _export(made)


def load() -> Any:
    """Return libseccomp's module: an extra of the agent, and a library of the system behind it.

    :raises FilterUnavailable: one of both is missing
    """
    try:
        return importlib.import_module("pyseccomp")
    except (ImportError, RuntimeError, OSError) as error:
        raise FilterUnavailable(str(error)) from error


def _deny(made: Any, action: int, name: str, *arguments: Any) -> None:
    try:
        made.add_rule(action, name, *arguments)
    except OSError:
        # no machine, or this library, knows such a call: then nobody can make it by its name
        LOG.debug("the filter does not know %s", name)


def _export(made: Any) -> bytes:
    descriptor = os.memfd_create("filter")
    with os.fdopen(descriptor, "w+b") as file:
        made.export_bpf(file)
        file.seek(0)
        return file.read()
