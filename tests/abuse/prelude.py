"""What every attack may use; this text stands before the attack in its plugin.

Standard library only; it imports what attacks use. An attack returns a map part → outcome; an
outcome is ``"leaked"`` or the word for what stopped it: a name of errno, of an exception.
"""

from __future__ import annotations

import array  # noqa: F401
import base64  # noqa: F401
import ctypes
import errno
import fcntl  # noqa: F401
import hashlib  # noqa: F401
import json  # noqa: F401
import mmap  # noqa: F401
import os
import resource  # noqa: F401
import signal
import socket  # noqa: F401
import stat
import struct  # noqa: F401
import subprocess  # noqa: F401
import sys  # noqa: F401
import termios  # noqa: F401
import threading  # noqa: F401
import time

libc = ctypes.CDLL(None, use_errno=True)

SYSCALLS = {
    "x86_64": {
        "settimeofday": 164,
        "clock_settime": 227,
        "adjtimex": 159,
        "sethostname": 170,
        "acct": 163,
        "name_to_handle_at": 303,
        "bpf": 321,
        "clone": 56,
        "clone3": 435,
        "fanotify_init": 300,
        "fsopen": 430,
        "init_module": 175,
        "io_uring_setup": 425,
        "keyctl": 250,
        "kexec_load": 246,
        "memfd_secret": 447,
        "mount": 165,
        "open_by_handle_at": 304,
        "perf_event_open": 298,
        "pidfd_getfd": 438,
        "pidfd_open": 434,
        "pivot_root": 155,
        "process_vm_readv": 310,
        "quotactl": 179,
        "reboot": 169,
        "setns": 308,
        "swapon": 167,
        "umount2": 166,
        "userfaultfd": 323,
    },
    "aarch64": {
        "settimeofday": 170,
        "clock_settime": 112,
        "adjtimex": 171,
        "sethostname": 161,
        "acct": 89,
        "name_to_handle_at": 264,
        "bpf": 280,
        "clone": 220,
        "clone3": 435,
        "fanotify_init": 262,
        "fsopen": 430,
        "init_module": 105,
        "io_uring_setup": 425,
        "keyctl": 219,
        "kexec_load": 104,
        "memfd_secret": 447,
        "mount": 40,
        "open_by_handle_at": 265,
        "perf_event_open": 241,
        "pidfd_getfd": 438,
        "pidfd_open": 434,
        "pivot_root": 41,
        "process_vm_readv": 270,
        "quotactl": 60,
        "reboot": 142,
        "setns": 268,
        "swapon": 224,
        "umount2": 39,
        "userfaultfd": 282,
    },
}[os.uname().machine]


def attempt(action):
    """Return how an action ended: leaked, unless it raises or returns False."""
    try:
        value = action()
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__)
    except Exception as error:
        return type(error).__name__
    return "refused" if value is False else "leaked"


def syscall(name, *arguments):
    """Make a system call by its name; OSError if it fails."""
    result = libc.syscall(SYSCALLS[name], *arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def lets_in(name, *arguments):
    """Make a call with arguments that cannot work; leaked if it got as far as looking at them."""
    refusals = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOSPC)
    try:
        syscall(name, *arguments)
    except OSError as error:
        if error.errno in refusals:
            raise
    return True


def write(path, content=b"x", mode="wb"):
    """Write to a file and return the path."""
    with open(path, mode) as file:
        file.write(content)
    return path


def read(path):
    """Return the beginning of a file."""
    with open(path, "rb") as file:
        return file.read(4096)


def in_child(action, limit_s=5.0):
    """Run an action in a fork; return how it ended there."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, attempt(action).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.set_blocking(reader, False)
    end = time.monotonic() + limit_s
    told = b""
    while time.monotonic() < end:
        try:
            told = os.read(reader, 100)
            break
        except BlockingIOError:
            time.sleep(0.01)
    os.close(reader)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return told.decode() or f"signal {os.waitstatus_to_exitcode(status)}"


def call(result):
    """Return what a C function returned; OSError if that says that it failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def own_channel():
    """Return the number of the first socket that was inherited."""
    for number in range(3, 1024):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                return number
        except OSError:
            continue
    raise OSError(errno.EBADF, "no socket")


def report(outcomes):
    """Return the verdict that leaves the sandbox."""
    return {"leaked": "leaked" in outcomes.values(), "how": outcomes}
