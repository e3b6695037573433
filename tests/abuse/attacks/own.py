"""Attacks 81 to 100: our own."""

from __future__ import annotations

import array
import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import socket
import struct
import time

from tests.abuse.attack import Attack
from tests.abuse.prelude import attempt, call, in_child, lets_in, libc, own_channel, syscall

FILTER = {"EPERM": "seccomp"}


def shared_memory(told):
    """Keep memory in System V segments, which no address space counts."""

    def take():
        return call(libc.shmget(0, 64 << 20, 0o1600))

    return {"shmget": in_child(take)}


def message_queues(told):
    """Keep memory in System V queues and semaphores."""
    return {
        "msgget": in_child(lambda: call(libc.msgget(0, 0o1600))),
        "semget": in_child(lambda: call(libc.semget(0, 250, 0o1600))),
    }


def pipes(told):
    """Keep 120 MiB in pipes of 1 MiB each, in children."""

    def fill():
        for _ in range(30):
            reader, writer = os.pipe()
            fcntl.fcntl(writer, 1031, 1 << 20)
            os.write(writer, bytes(1 << 20))
            del reader

    def hold():
        answers = []
        children = []
        for _ in range(4):
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                os.write(writer, attempt(fill).encode())
                time.sleep(30)
                os._exit(0)
            children.append(child)
            answers.append(reader)
        words = [os.read(reader, 20).decode() for reader in answers]
        for child in children:
            os.kill(child, 9)
            os.waitpid(child, 0)
        refused = [word for word in words if word != "leaked"]
        if refused:
            raise OSError(getattr(errno, refused[0], 0), "pipe")

    return {"120 MiB": attempt(hold)}


def in_flight(told):
    """Keep 5,000 descriptors in messages that nobody takes."""

    def send():
        sent = 0
        pairs = []
        while sent < 5000:
            ours, theirs = socket.socketpair()
            pairs.append((ours, theirs))
            ours.setblocking(False)
            rights = array.array("i", [0] * 250)
            try:
                while sent < 5000:
                    ours.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
                    sent += 250
            except BlockingIOError:
                continue

    return {"5,000": attempt(send)}


def set_clock(told):
    """Set the board's clock; with a bad address, it is enough to get as far."""
    return {
        name: attempt(lambda name=name, words=arguments: lets_in(name, *words))
        for name, arguments in {
            "settimeofday": (1, 0),
            "clock_settime": (0, 1),
            "adjtimex": (1,),
        }.items()
    }


def set_name(told):
    """Give the board another name."""
    return {"hostname": attempt(lambda: lets_in("sethostname", 1, 5))}


def swap_and_quota(told):
    """Use a disk for swap, change quotas, write accounts of processes."""
    return {
        "swapon": attempt(lambda: lets_in("swapon", 1, 0)),
        "quotactl": attempt(lambda: lets_in("quotactl", 0x800002 << 8, 1, 0, 1)),
        "acct": attempt(lambda: lets_in("acct", 1)),
    }


def file_handles(told):
    """Open a file by its number, past every view."""
    return {
        "name_to_handle_at": attempt(lambda: lets_in("name_to_handle_at", -100, 1, 1, 1, 0)),
        "open_by_handle_at": attempt(lambda: lets_in("open_by_handle_at", -1, 1, 0)),
    }


def watch_files(told):
    """Watch what others open."""
    return {"fanotify": attempt(lambda: os.close(syscall("fanotify_init", 0x200, 0)))}


def run_memory(told):
    """Run a program that is in no file."""

    def run():
        opened = os.memfd_create("program", 0)
        with open(told["python"], "rb") as program:
            os.write(opened, program.read(1 << 20))

    return {"memfd": attempt(run)}


def no_randomness(told):
    """Have the next program's addresses not randomised."""
    return {"personality": in_child(lambda: call(libc.personality(0x40000)))}


def other_tables(told):
    """Make system calls by another architecture's numbers, past the filter."""

    def by_interrupt():
        page = mmap.mmap(-1, 4096, prot=7)
        code = b"\x53\xb8" + struct.pack("<I", 310) + b"\xbb" + struct.pack("<I", 0x10000000)
        page.write(code + b"\xcd\x80\x5b\xc3")
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        result = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
        if result < 0:
            raise OSError(-result, "unshare")

    def by_x32():
        if libc.syscall(0x40000000 | 272, 0x10000000) != 0:
            raise OSError(ctypes.get_errno(), "unshare")

    return {"i386": in_child(by_interrupt), "x32": in_child(by_x32)}


def kernel_log(told):
    """Read the kernel's messages."""
    return {"syslog": attempt(lambda: call(libc.klogctl(10, None, 0)))}


def core_dump(told):
    """Leave an image of the process on the board's disk."""

    def allow():
        resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))

    return {"core": in_child(allow)}


def leave_files(told):
    """Leave files and find them in the next call."""
    found = False
    for folder in told["folders"]:
        path = f"{folder}/left-for-the-next"
        found = found or os.path.exists(path)
        with open(path, "w") as file:
            file.write("x")
    return {"files": "leaked" if found else "fresh"}


def forge_log(told):
    """Write a line of the log that is the supervisor's, and one that looks like two."""
    for stream in ("supervisor", "log"):
        line = {
            "t": "log",
            "s": stream,
            "x": ['forged\n{"stream": "supervisor", "text": "forged"}'],
        }
        body = json.dumps(line).encode()
        os.write(own_channel(), struct.pack(">I", len(body)) + body)
    time.sleep(0.3)
    return {"line": "sent"}


def large_integer(told):
    """Answer with an integer that other readers cannot hold."""
    return {"integer": 2**70}


def report_flood(told):
    """Report values without end."""
    while True:
        told["context"].report("x" * 4000)


def wrong_length(told):
    """Announce a message of 4 GiB on the channel and wait for somebody to make room."""
    os.write(own_channel(), b"\xff\xff\xff\xff")
    time.sleep(60)


def choose_victim(told):
    """Tell the kernel whom to end when memory is short: not this one."""
    names = ("oom_score_adj", "oom_adj", "coredump_filter")
    return {
        name: attempt(lambda name=name: os.close(os.open(f"/proc/self/{name}", os.O_WRONLY)))
        for name in names
    }


TABLE = (
    Attack(
        number=81,
        title="System V shared memory",
        leak="memory that no limit counts",
        source=shared_memory,
        stopped=FILTER,
        ground="own",
    ),
    Attack(
        number=82,
        title="System V queues and semaphores",
        leak="memory that no limit counts",
        source=message_queues,
        stopped=FILTER,
        ground="own",
    ),
    Attack(
        number=83,
        title="memory in pipes",
        leak="memory that no limit counts",
        source=pipes,
        stopped={"EPERM": "kernel's limit of pipes", "EMFILE": "rlimit"},
        ground="own",
    ),
    Attack(
        number=84,
        title="descriptors in flight",
        leak="the kernel's tables",
        source=in_flight,
        stopped={"ETOOMANYREFS": "rlimit", "EMFILE": "rlimit"},
        ground="own",
    ),
    Attack(
        number=85,
        title="set the clock",
        leak="leases and certificates that never end",
        source=set_clock,
        stopped=FILTER,
    ),
    Attack(
        number=86,
        title="set the host's name",
        leak="the board's name",
        source=set_name,
        stopped=FILTER,
        ground="own",
    ),
    Attack(
        number=87,
        title="swap, quotas, process accounts",
        leak="the board's disks",
        source=swap_and_quota,
        stopped=FILTER,
        ground="own",
    ),
    Attack(
        number=88,
        title="open files by handle",
        leak="the board's files",
        source=file_handles,
        stopped=FILTER,
        ground="own",
    ),
    Attack(
        number=89,
        title="fanotify",
        leak="what others open",
        source=watch_files,
        stopped=FILTER,
        ground="own",
    ),
    Attack(
        number=90,
        title="a program that is in no file",
        leak="code that leaves no trace",
        source=run_memory,
        stopped=FILTER,
    ),
    Attack(
        number=91,
        title="personality",
        leak="addresses that can be guessed",
        source=no_randomness,
        stopped=FILTER,
    ),
    Attack(
        number=92,
        title="system calls by i386's and x32's numbers",
        leak="system calls past the filter",
        source=other_tables,
        stopped={
            **FILTER,
            "signal -31": "seccomp",
            "signal -11": "kernel has none",
            "signal -4": "kernel has none",
        },
        ground="own",
    ),
    Attack(
        number=93,
        title="the kernel's messages by syslog",
        leak="addresses of the kernel, the board's work",
        source=kernel_log,
        stopped=FILTER,
    ),
    Attack(
        number=94,
        title="core dumps",
        leak="the board's disk",
        source=core_dump,
        stopped={"ValueError": "rlimit", "EPERM": "rlimit"},
    ),
    Attack(
        number=95,
        title="leave files for the next call",
        leak="one call's data in another",
        source=leave_files,
        stopped={"fresh": "fresh folders"},
        calls=2,
        outside={"folders": ["{scratch}"]},
    ),
    Attack(
        number=96,
        title="forge lines of the log",
        leak="a log that lies",
        source=forge_log,
        stopped={"sent": "channel"},
        checks=("no forged line",),
        ground="channel",
        succeeds="sent",
    ),
    Attack(
        number=97,
        title="an integer of 70 bits as result",
        leak="a reader that fails on it",
        source=large_integer,
        stopped={"plugin_failed": "channel", "ResultNotJson": "channel"},
        succeeds="integer",
    ),
    Attack(
        number=98,
        title="reports without end",
        leak="the supervisor's memory, the board's disk",
        source=report_flood,
        stopped={"plugin_timeout": "deadline"},
        checks=("log is small", "supervisor is small"),
        ground="own",
        succeeds="timeout",
    ),
    Attack(
        number=99,
        title="announce a message of 4 GiB",
        leak="the supervisor's memory",
        source=wrong_length,
        stopped={"result_too_large": "channel"},
        checks=("supervisor is small",),
        ground="channel",
        succeeds="sent",
    ),
    Attack(
        number=100,
        title="choose whom the kernel ends when memory is short",
        leak="the end of others",
        source=choose_victim,
        stopped={"ENOENT": "view"},
    ),
)
