"""Layers a process inside the sandbox puts on itself before it reads a byte of tenants' code.

Standard library only, by system calls: inside there are no helpers to start.  Each function says
what it did, so that the probe can tell what holds on a board.

Source: Linux man-pages 6.9: clone(2), capabilities(7), prctl(2), seccomp(2), landlock(7).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Mapping, Sequence

_LIBC = ctypes.PyDLL(None, use_errno=True)
"""Calls keep the interpreter's lock: there is one thread, and a fork is among them."""

LANDLOCK_VARIABLE = "LIGHTNING_LANDLOCK"
"""Set to ``off`` in a sandbox, before anything of tenants is there, where the owner says so."""

_CLONE_NUMBER = {"x86_64": 56, "aarch64": 220, "armv7l": 120, "armv6l": 120, "riscv64": 220}
_CAPSET_NUMBER = {"x86_64": 126, "aarch64": 91, "armv7l": 185, "armv6l": 185, "riscv64": 91}
_SECCOMP_NUMBER = {"x86_64": 317, "aarch64": 277, "armv7l": 383, "armv6l": 383, "riscv64": 277}
# the numbers of newer calls are the same everywhere
_LANDLOCK_CREATE = 444
_LANDLOCK_ADD = 445
_LANDLOCK_RESTRICT = 446

_CLONE_NEWNS = 0x00020000
_CLONE_NEWPID = 0x20000000
_SIGCHLD = 17

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_SECCOMP_SET_MODE_FILTER = 1
_SECCOMP_FILTER_FLAG_TSYNC = 1
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63

_MS_NOSUID, _MS_NODEV = 2, 4
_MS_REC, _MS_PRIVATE = 1 << 14, 1 << 18

_READING = 0b1 | 0b100 | 0b1000
"""Landlock: execute, read a file, read a folder."""

_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""Landlock: all rights on files by the first ABI that has them."""

_TCP_RIGHTS = 0b11
_SCOPES = 0b11
"""Landlock: abstract Unix sockets and signals of outside, from ABI 6 on."""

_PATH_BENEATH = 1


class NotHardened(OSError):
    """A layer could not be put on; nothing of tenants may run."""


def fork_apart() -> int:
    """Fork into a process namespace and a view of mounts of its own; return like ``os.fork``.

    Needs CAP_SYS_ADMIN in the sandbox's own user namespace.  One thread only.

    :raises BlockingIOError: there are too many processes
    :raises OSError: the kernel refuses such namespaces
    """
    number = _number(_CLONE_NUMBER, "clone")
    interpreter = ctypes.pythonapi
    interpreter.PyOS_BeforeFork()
    pid = int(_LIBC.syscall(number, _CLONE_NEWPID | _CLONE_NEWNS | _SIGCHLD, 0, 0, 0, 0))
    code = ctypes.get_errno()
    if pid == 0:
        interpreter.PyOS_AfterFork_Child()
        return 0
    interpreter.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(code, os.strerror(code))
    return pid


def mount_fresh(sizes: Mapping[str, int]) -> None:
    """Cover folders by empty ones in memory, which nobody else sees.

    :param sizes: bytes of each folder
    :raises OSError: they cannot be mounted
    """
    # nothing of it is to be seen in the namespace this one is a copy of
    _checked(_LIBC.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None))
    for path, size_bytes in sizes.items():
        options = f"size={size_bytes},mode=1777,nr_inodes={max(1024, size_bytes // 4096)}"
        flags = _MS_NOSUID | _MS_NODEV
        _checked(_LIBC.mount(b"tmpfs", path.encode(), b"tmpfs", flags, options.encode()))


def give_up_privileges() -> None:
    """Give up every capability, now and after any exec, and be killed with the parent.

    :raises OSError: one is left
    """
    for number in range(_LAST_CAPABILITY + 1):
        if _LIBC.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) != 0:
            break  # there is no such capability: the last one was before it
    _LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    head = struct.pack("=II", _CAPABILITY_VERSION_3, 0)
    none = bytes(24)
    _checked(_LIBC.syscall(_number(_CAPSET_NUMBER, "capset"), head, none))
    _checked(_LIBC.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0))
    _checked(_LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0))
    _checked(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def landlock_abi() -> int:
    """Return the version of Landlock the kernel offers, 0 for none."""
    return max(0, int(_LIBC.syscall(_LANDLOCK_CREATE, None, 0, 1)))


def restrict_files(writable: Sequence[str]) -> int:
    """Allow reading what is in the view and writing below ``writable``; no TCP.

    :returns: the version of Landlock in use, 0 where the kernel has none or the owner wants none
    :raises OSError: it is there and refuses
    """
    abi = 0 if os.environ.get(LANDLOCK_VARIABLE) == "off" else landlock_abi()
    if abi == 0:
        return 0
    rights = _FILE_RIGHTS[max(version for version in _FILE_RIGHTS if version <= abi)]
    attributes = struct.pack("=Q", rights)
    if abi >= 4:
        attributes += struct.pack("=Q", _TCP_RIGHTS)
    if abi >= 6:
        attributes += struct.pack("=Q", _SCOPES)
    rules = _checked(_LIBC.syscall(_LANDLOCK_CREATE, attributes, len(attributes), 0))
    try:
        _allow(rules, "/", _READING)
        for path in writable:
            _allow(rules, path, rights)
        # the usual nodes; who may open which is up to the view
        _allow(rules, "/dev", (_READING | 0b10 | (1 << 14)) & rights)
        _checked(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(_LIBC.syscall(_LANDLOCK_RESTRICT, rules, 0))
    finally:
        os.close(rules)
    return abi


def install_filter(program: bytes) -> None:
    """Put a system-call filter on all threads of this process; it stays for good.

    :param program: as :func:`lightning_agent.sandbox.seccomp.build` made it
    :raises OSError: the kernel refuses it
    """
    text = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(text))
    if struct.calcsize("P") == 4:
        head = struct.pack("@HxxP", len(program) // 8, ctypes.addressof(text))
    _checked(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    number = _number(_SECCOMP_NUMBER, "seccomp")
    _checked(_LIBC.syscall(number, _SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC, head))


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        rule = struct.pack("=Qi", rights, folder)
        _checked(_LIBC.syscall(_LANDLOCK_ADD, rules, _PATH_BENEATH, rule, 0))
    finally:
        os.close(folder)


def _number(numbers: Mapping[str, int], name: str) -> int:
    machine = platform.machine()
    if machine not in numbers:
        raise NotHardened(errno.ENOSYS, f"the number of {name} is not known on {machine}")
    return numbers[machine]


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise NotHardened(code, os.strerror(code))
    return int(result)
