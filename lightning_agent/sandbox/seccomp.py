"""The filter of system calls: which of the kernel's doors are shut for tenants' code.

:func:`build_filter` returns a finished program for the kernel, written in its classic BPF; no
library is needed.  A list of what is denied, not of what is allowed: arbitrary Python with native
wheels must run.  Denied calls answer EPERM, ``clone3`` answers ENOSYS so that the C library falls
back to ``clone``, whose flags can be looked at.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass

NAMESPACE_FLAGS = 0x7E020000
"""Flags of ``clone`` that make a namespace.  Source: linux/sched.h."""

TERMINAL_CONTROLS = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX: type into a terminal.  Source: asm-generic/ioctls.h."""

LOCAL_SOCKETS = 1
"""AF_UNIX, the one family a sandbox may open.  Source: bits/socket.h."""

X32_BIT = 0x40000000
"""Set in the numbers of x86-64's second table of calls.  Source: asm/unistd.h."""

DENIED = (
    # other processes
    *("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd"),
    # views and namespaces
    *("mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig"),
    *("fsmount", "fspick", "mount_setattr", "unshare", "setns"),
    # the machine
    *("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot"),
    *("swapon", "swapoff", "acct", "syslog", "vhangup", "sethostname", "setdomainname"),
    *("quotactl", "quotactl_fd", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex"),
    # parts of the kernel that are seldom used and often broken
    *("bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter"),
    *("io_uring_register", "keyctl", "add_key", "request_key", "memfd_secret"),
    *(
        "name_to_handle_at",
        "open_by_handle_at",
        "fanotify_init",
        "fanotify_mark",
        "lookup_dcookie",
    ),
    *("personality", "mbind", "set_mempolicy", "migrate_pages", "move_pages"),
    # memory that counts for nobody
    *("memfd_create", "shmget", "msgget", "semget"),
)
"""What no architecture lets through; some have further calls of their own in their tables."""

_COMMON = {
    **{"open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432},
    **{"fspick": 433, "mount_setattr": 442, "pidfd_getfd": 438, "quotactl_fd": 443},
    **{"io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427},
    **{"memfd_secret": 447, "clone3": 435},
}
"""Numbers that all architectures share, as all new calls do."""

_X86_64 = {
    **{"shmget": 29, "socket": 41, "clone": 56, "semget": 64, "msgget": 68, "ioctl": 16},
    **{"ptrace": 101, "syslog": 103, "personality": 135, "vhangup": 153, "pivot_root": 155},
    **{"adjtimex": 159, "chroot": 161, "acct": 163, "settimeofday": 164, "mount": 165},
    **{"umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169, "sethostname": 170},
    **{"setdomainname": 171, "init_module": 175, "delete_module": 176, "quotactl": 179},
    **{"lookup_dcookie": 212, "clock_settime": 227, "mbind": 237, "set_mempolicy": 238},
    **{"kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250},
    **{"migrate_pages": 256, "unshare": 272, "move_pages": 279, "perf_event_open": 298},
    **{"fanotify_init": 300, "fanotify_mark": 301, "name_to_handle_at": 303},
    **{"open_by_handle_at": 304, "clock_adjtime": 305, "setns": 308, "process_vm_readv": 310},
    **{"process_vm_writev": 311, "kcmp": 312, "finit_module": 313, "memfd_create": 319},
    **{"kexec_file_load": 320, "bpf": 321, "userfaultfd": 323},
    **{"modify_ldt": 154, "iopl": 172, "ioperm": 173},
}

_AARCH64 = {
    **{"lookup_dcookie": 18, "ioctl": 29, "umount2": 39, "mount": 40, "pivot_root": 41},
    **{"chroot": 51, "vhangup": 58, "quotactl": 60, "acct": 89, "personality": 92},
    **{"unshare": 97, "kexec_load": 104, "init_module": 105, "delete_module": 106},
    **{"clock_settime": 112, "syslog": 116, "ptrace": 117, "reboot": 142, "sethostname": 161},
    **{"setdomainname": 162, "settimeofday": 170, "adjtimex": 171, "msgget": 186},
    **{"semget": 190, "shmget": 194, "socket": 198, "add_key": 217, "request_key": 218},
    **{"keyctl": 219, "clone": 220, "swapon": 224, "swapoff": 225, "mbind": 235},
    **{"set_mempolicy": 237, "migrate_pages": 238, "move_pages": 239, "perf_event_open": 241},
    **{"fanotify_init": 262, "fanotify_mark": 263, "name_to_handle_at": 264},
    **{"open_by_handle_at": 265, "clock_adjtime": 266, "setns": 268, "process_vm_readv": 270},
    **{"process_vm_writev": 271, "kcmp": 272, "finit_module": 273, "memfd_create": 279},
    **{"bpf": 280, "userfaultfd": 282, "kexec_file_load": 294},
}

_ARM = {
    **{"mount": 21, "ptrace": 26, "acct": 51, "umount2": 52, "ioctl": 54, "chroot": 61},
    **{"sethostname": 74, "settimeofday": 79, "swapon": 87, "reboot": 88, "syslog": 103},
    **{"vhangup": 111, "swapoff": 115, "clone": 120, "setdomainname": 121, "adjtimex": 124},
    **{"init_module": 128, "delete_module": 129, "quotactl": 131, "personality": 136},
    **{"pivot_root": 218, "lookup_dcookie": 249, "clock_settime": 262, "socket": 281},
    **{"semget": 299, "msgget": 303, "shmget": 307, "add_key": 309, "request_key": 310},
    **{"keyctl": 311, "mbind": 319, "set_mempolicy": 321, "unshare": 337, "move_pages": 344},
    **{"kexec_load": 347, "perf_event_open": 364, "fanotify_init": 367, "fanotify_mark": 368},
    **{"name_to_handle_at": 370, "open_by_handle_at": 371, "clock_adjtime": 372, "setns": 375},
    **{"process_vm_readv": 376, "process_vm_writev": 377, "kcmp": 378, "finit_module": 379},
    **{"memfd_create": 385, "bpf": 386, "userfaultfd": 388, "migrate_pages": 400},
    **{"kexec_file_load": 401, "clock_settime64": 404, "clock_adjtime64": 405},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One table of system calls.

    :param audit: the kernel's name of it.  Source: linux/audit.h
    :param numbers: name → number of the denied calls, and of those whose arguments are looked at
    """

    audit: int
    numbers: Mapping[str, int]


ARCHITECTURES = {
    "x86_64": Architecture(audit=0xC000003E, numbers={**_COMMON, **_X86_64}),
    "aarch64": Architecture(audit=0xC00000B7, numbers={**_COMMON, **_AARCH64}),
    "armv7l": Architecture(audit=0x40000028, numbers={**_COMMON, **_ARM}),
}
"""What the kernel calls the machine → its table; elsewhere there is no filter."""

LOOKED_AT = frozenset({"clone", "clone3", "ioctl", "socket"})
"""Calls that are denied by their arguments only, and ``clone3``."""

_NUMBER, _ARCHITECTURE, _FIRST, _SECOND = 0, 4, 16, 24
_LOAD, _JUMP_EQUAL, _JUMP_LEAST, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_DENY = _ERRNO | errno.EPERM


def build_filter(machine: str | None = None) -> bytes | None:
    """Return the filter for this machine as the kernel wants it, or ``None`` where there is none.

    :param machine: as ``uname -m`` says it; default: this one
    """
    found = ARCHITECTURES.get(machine or platform.machine())
    if found is None:
        return None
    numbers = dict(found.numbers)
    looked_at = {name: numbers.pop(name) for name in LOOKED_AT}
    lines = [
        # another table of calls has other numbers: i386 on x86-64, arm on aarch64
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, found.audit),
        (_RETURN, 0, 0, _DENY),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_LEAST, 0, 1, X32_BIT),
        (_RETURN, 0, 0, _DENY),
    ]
    for number in sorted(numbers.values()):
        lines += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _DENY)]
    lines += [
        (_JUMP_EQUAL, 0, 1, looked_at["clone3"]),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
        (_JUMP_EQUAL, 0, 4, looked_at["clone"]),
        (_LOAD, 0, 0, _FIRST),
        (_JUMP_SET, 0, 1, NAMESPACE_FLAGS),
        (_RETURN, 0, 0, _DENY),
        (_RETURN, 0, 0, _ALLOW),
        (_JUMP_EQUAL, 0, 4, looked_at["socket"]),
        (_LOAD, 0, 0, _FIRST),
        (_JUMP_EQUAL, 1, 0, LOCAL_SOCKETS),
        (_RETURN, 0, 0, _DENY),
        (_RETURN, 0, 0, _ALLOW),
        (_JUMP_EQUAL, 0, 4, looked_at["ioctl"]),
        (_LOAD, 0, 0, _SECOND),
        (_JUMP_EQUAL, 1, 0, TERMINAL_CONTROLS[0]),
        (_JUMP_EQUAL, 0, 1, TERMINAL_CONTROLS[1]),
        (_RETURN, 0, 0, _DENY),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
