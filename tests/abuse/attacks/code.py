"""Attacks 74 to 80: code that crashes, packages, models, deadlines."""

from __future__ import annotations

import base64
import ctypes
import hashlib
import os
import struct
import sys
import threading
import time

from tests.abuse.attack import Attack
from tests.abuse.prelude import own_channel


def segfault(told):
    """Read address 0."""
    ctypes.string_at(0)


def recurse(told):
    """Overflow the stack in the interpreter's own code."""
    nested = []
    for _ in range(1_000_000):
        nested = [nested]
    sys.setrecursionlimit(10**9)
    return {"repr": repr(nested)[:1]}


def fork_in_thread(told):
    """Fork in a thread, let the thread go, and leave the child."""

    def leave():
        if os.fork() == 0:
            os.execv(
                told["python"],
                [told["python"], "-c", "import time; time.sleep(60)", told["token"]],
            )

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join()
    time.sleep(0.3)
    return {"child": "left"}


def pickle_back(told):
    """Send a pickle that makes a file where it is read, as a message and as the answer."""
    payload = base64.b64decode(told["pickle"])
    os.write(own_channel(), struct.pack(">I", len(payload)) + payload)
    time.sleep(0.3)
    return {"pickle": told["pickle"]}


def long_native(told):
    """Stay in native code past the deadline."""
    hashlib.pbkdf2_hmac("sha256", b"x", b"x", 2**31 - 1)


TABLE = (
    Attack(
        number=74,
        title="segfault by ctypes",
        leak="the end of what starts plugins",
        source=segfault,
        stopped={"signal 11": "own process"},
        succeeds="signal",
    ),
    Attack(
        number=75,
        title="deep recursion",
        leak="the end of what starts plugins",
        source=recurse,
        stopped={"signal 11": "own process", "MemoryError": "rlimit"},
        succeeds="signal",
    ),
    Attack(
        number=76,
        title="fork in a thread",
        leak="a process that nobody ends",
        source=fork_in_thread,
        stopped={"left": "pid namespace"},
        checks=("no daemon",),
        succeeds="daemon",
    ),
    Attack(
        number=77,
        title="a package that is a trick",
        leak="files of the board",
        kind="bundles",
        stopped={
            "bundle": "bundle check of the cloud",
            "bundle_refused": "bundle check of the board",
        },
    ),
    Attack(
        number=78,
        title="a model file that is none",
        leak="the end of what runs models",
        kind="models",
        stopped={
            "ModelRefused": "model check",
            **{f"signal {number}": "own process" for number in (6, 8, 11)},
        },
    ),
    Attack(
        number=79,
        title="pickle in the payload",
        leak="code in the supervisor, the agent or the cloud",
        source=pickle_back,
        stopped={"plugin_failed": "channel"},
        checks=("no marker",),
        ground="channel",
        succeeds="unpickled",
    ),
    Attack(
        number=80,
        title="past the deadline in native code",
        leak="a slot held for ever",
        source=long_native,
        stopped={"plugin_timeout": "deadline"},
        ground="own",
        succeeds="timeout",
    ),
)
