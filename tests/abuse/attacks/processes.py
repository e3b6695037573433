"""Attacks 50 to 63: other processes, what is inherited, the channel."""

from __future__ import annotations

import array
import ctypes
import json
import os
import signal
import socket
import stat
import struct
import time

from tests.abuse.attack import Attack
from tests.abuse.prelude import attempt, in_child, libc, own_channel, syscall

FILTER = {"EPERM": "seccomp"}


def trace(told):
    """Trace the first process, be traced, read its memory."""

    def attach():
        if libc.ptrace(0x4206, told["first"], 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    def traceme():
        if libc.ptrace(0, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    def peek():
        there = ctypes.create_string_buffer(8)
        vector = (ctypes.c_uint64 * 2)(ctypes.addressof(there), 8)
        syscall("process_vm_readv", os.getppid(), vector, 1, vector, 1, 0)

    return {
        "attach": in_child(attach),
        "traceme": in_child(traceme),
        "process_vm_readv": in_child(peek),
    }


def steal_descriptor(told):
    """Take a descriptor out of another process."""

    def take():
        opened = syscall("pidfd_open", os.getppid(), 0)
        os.close(syscall("pidfd_getfd", opened, 0, 0))

    return {"pidfd_getfd": in_child(take)}


def signal_agent(told):
    """Reach the agent by its pid on the board; signal 0 only asks."""
    return {"agent": attempt(lambda: os.kill(told["agent"], 0))}


def kill_parent(told):
    """Kill the parent, whoever that is."""
    before = os.getppid()
    outcome = attempt(lambda: os.kill(before, signal.SIGKILL))
    time.sleep(0.3)
    if outcome == "leaked" and os.getppid() == before:
        outcome = "no effect"
    return {"parent": outcome}


def kill_all(told):
    """Kill everybody who may be killed, then the own group."""
    attempt(lambda: os.kill(-1, signal.SIGKILL))
    os.kill(0, signal.SIGKILL)
    return {"kill": "survived"}


def signal_others(told):
    """Reach processes of other users by their pids on the board."""
    return {
        name: attempt(lambda name=name: os.kill(told[name], 0)) for name in ("neighbour", "victim")
    }


def see_processes(told):
    """Find the board's processes by asking for every number."""

    def find():
        found = 0
        for pid in range(1, 40_000):
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                continue
            except PermissionError:
                pass
            found += 1
        return found > 8

    return {
        "numbers": attempt(find),
        "/proc": attempt(lambda: [name for name in os.listdir("/proc") if name.isdigit()] != []),
    }


def stop_itself(told):
    """Stop and hold the slot."""
    os.kill(os.getpid(), signal.SIGSTOP)
    os.kill(0, signal.SIGSTOP)
    while True:
        time.sleep(1)


def change_modules(told):
    """Change a module and see it in the next call."""
    seen = hasattr(json, "planted")
    json.planted = True
    return {"planted": "leaked" if seen else "fresh"}


def network_descriptors(told):
    """Use a socket of the agent that is connected somewhere."""

    def connected(number):
        with socket.socket(fileno=os.dup(number)) as opened:
            if opened.family not in (socket.AF_INET, socket.AF_INET6):
                return False
        return True

    found = [attempt(lambda number=number: connected(number)) for number in range(3, 1024)]
    return {word: word for word in set(found)}


def inherited(told):
    """List what was inherited: beside the standard three only the channel may be there."""
    found = []
    for number in range(3, 1024):
        try:
            found.append(stat.S_IFMT(os.fstat(number).st_mode))
        except OSError:
            continue
    fine = len(found) <= 1 and set(found) <= {stat.S_IFSOCK}
    return {"descriptors": "channel only" if fine else "leaked"}


def write_after_answer(told):
    """Answer past the runner, twice, with an answer that belongs to nobody, and stay."""
    body = json.dumps({"t": "result", "v": {"leaked": False, "how": {"first": "first"}}}).encode()
    again = json.dumps({"t": "result", "v": {"leaked": True, "how": {"again": "leaked"}}}).encode()
    channel = own_channel()
    frames = [struct.pack(">I", len(each)) + each for each in (body, again, again)]
    os.write(channel, b"".join(frames))
    time.sleep(0.2)
    os.write(channel, frames[1] * 50)
    return {"again": "leaked"}


def pass_descriptors(told):
    """Pass 50 descriptors over the channel, which fill the supervisor's table if it takes them."""
    channel = own_channel()
    log = json.dumps({"t": "log", "s": "log", "x": ["with descriptors"]}).encode()
    frame = struct.pack(">I", len(log)) + log
    with socket.socket(fileno=os.dup(channel)) as opened:
        for _ in range(10):
            rights = array.array("i", [0] * 5)
            opened.sendmsg([frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    return {"sent": "sent"}


def environment(told):
    """Find what the agent was started with."""
    return {"variable": "leaked" if "PLANTED_SECRET" in os.environ else "cleared"}


TABLE = (
    Attack(
        number=50,
        title="ptrace, process_vm_readv",
        leak="the memory of another process",
        source=trace,
        stopped=FILTER,
        ground="own",
        outside={"first": "{victim}"},
    ),
    Attack(
        number=51,
        title="pidfd_getfd",
        leak="a descriptor of another process",
        source=steal_descriptor,
        stopped=FILTER,
    ),
    Attack(
        number=52,
        title="signal the agent by its pid",
        leak="the agent's end",
        source=signal_agent,
        stopped={"ESRCH": "pid namespace"},
    ),
    Attack(
        number=53,
        title="kill the parent",
        leak="the end of what starts plugins",
        source=kill_parent,
        stopped={"no effect": "pid namespace", "ESRCH": "pid namespace", "EPERM": "uid"},
        ground="own",
    ),
    Attack(
        number=54,
        title="kill(-1), kill(0)",
        leak="the end of others",
        source=kill_all,
        stopped={"signal 9": "pid namespace", "survived": "pid namespace"},
        ground="own",
        succeeds="victim",
    ),
    Attack(
        number=55,
        title="signal another user's process",
        leak="the end of others",
        source=signal_others,
        stopped={"ESRCH": "pid namespace"},
    ),
    Attack(
        number=56,
        title="see the board's processes",
        leak="what the board does",
        source=see_processes,
        stopped={"refused": "pid namespace", "ENOENT": "view"},
    ),
    Attack(
        number=57,
        title="stop itself and hold the slot",
        leak="a slot held for ever",
        source=stop_itself,
        stopped={"plugin_timeout": "deadline"},
        ground="own",
        succeeds="timeout",
    ),
    Attack(
        number=58,
        title="change modules for the next call",
        leak="one call's code in another",
        source=change_modules,
        stopped={"fresh": "own process"},
        calls=2,
    ),
    Attack(
        number=59,
        title="use a connected socket of the agent",
        leak="the board's place in the cloud",
        source=network_descriptors,
        stopped={"EBADF": "closed descriptors", "refused": "closed descriptors"},
        ground="descriptors",
    ),
    Attack(
        number=60,
        title="inherited descriptors",
        leak="whatever the agent has open",
        source=inherited,
        stopped={"channel only": "closed descriptors"},
        ground="descriptors",
    ),
    Attack(
        number=61,
        title="answer twice, and after the answer",
        leak="an answer that goes to somebody else",
        source=write_after_answer,
        stopped={"first": "channel", "plugin_failed": "channel"},
        ground="channel",
        succeeds="twice",
    ),
    Attack(
        number=62,
        title="pass descriptors over the channel",
        leak="the supervisor's table of descriptors",
        source=pass_descriptors,
        stopped={"sent": "channel", "plugin_failed": "channel"},
        checks=("supervisor has no more descriptors",),
        ground="channel",
        succeeds="descriptors",
    ),
    Attack(
        number=63,
        title="secrets in the environment",
        leak="what the agent was started with",
        source=environment,
        stopped={"cleared": "cleared environment"},
    ),
)
