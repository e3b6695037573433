"""Attacks 32 to 49: memory, processes, files, time, output."""

from __future__ import annotations

import mmap
import os
import signal
import threading
import time

from tests.abuse.attack import Attack
from tests.abuse.prelude import attempt, in_child, write

LIMIT = {"EAGAIN": "rlimit"}
DEADLINE = {"plugin_timeout": "deadline"}


def fork_bomb(told):
    """Fork until it is refused; 300 are a leak, and end here."""

    def bomb():
        children = []
        try:
            for _ in range(300):
                child = os.fork()
                if child == 0:
                    time.sleep(60)
                    os._exit(0)
                children.append(child)
        finally:
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)

    return {"300 children": attempt(bomb)}


def memory_bomb(told):
    """Take 2 GiB in one process, not touched."""
    return {
        "mmap": attempt(lambda: mmap.mmap(-1, 2 << 30).close()),
        "bytearray": in_child(lambda: bytearray(2 << 30)),
    }


def memory_in_children(told):
    """Take 2 GiB in children of 400 MiB each, every page touched."""

    def hold(mebibytes):
        populated = 0x8000
        return mmap.mmap(-1, mebibytes << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANON | populated)

    def grow():
        children = []
        reader, writer = os.pipe()
        try:
            for _ in range(5):
                child = os.fork()
                if child == 0:
                    held = hold(400)
                    os.write(writer, b"x")
                    time.sleep(60)
                    os._exit(len(held) & 0)
                children.append(child)
            os.set_blocking(reader, False)
            end = time.monotonic() + 3.5
            held = 0
            while held < 5 and time.monotonic() < end:
                try:
                    held += len(os.read(reader, 8))
                except BlockingIOError:
                    time.sleep(0.02)
            return held == 5
        finally:
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)

    return {"2 GiB": attempt(grow)}


def memory_in_files(told):
    """Take 200 MB of memory that belongs to no address space: memfd, tmpfs, shared segments."""

    def memfds():
        held = [os.memfd_create(f"m{number}") for number in range(12)]
        try:
            for descriptor in held:
                for _ in range(16):
                    os.write(descriptor, bytes(1 << 20))
        finally:
            for descriptor in held:
                os.close(descriptor)

    def files(folder):
        paths = [f"{folder}/fill-{number}" for number in range(12)]
        try:
            for path in paths:
                write(path, bytes(16 << 20))
        finally:
            for path in paths:
                if os.path.exists(path):
                    os.unlink(path)

    return {
        "memfd": in_child(memfds),
        **{folder: attempt(lambda folder=folder: files(folder)) for folder in told["tmpfs"]},
    }


def big_file(told):
    """Write one file of 200 MB."""

    def grow():
        path = f"{told['work']}/big"
        try:
            with open(path, "wb", 0) as file:
                for _ in range(200):
                    if file.write(bytes(1 << 20)) < 1 << 20:
                        file.write(b"x")
        finally:
            os.unlink(path)

    return {"200 MB": attempt(grow)}


def many_files(told):
    """Write 30,000 files of 4 KiB."""

    def grow():
        folder = f"{told['work']}/many"
        os.mkdir(folder)
        for number in range(30_000):
            write(f"{folder}/{number}", bytes(4096))

    return {"30,000 files": attempt(grow)}


def fill_roots(told):
    """Fill what is writable by mistake: the root, /dev, /dev/shm."""

    def fill(folder):
        path = f"{folder}/fill"
        try:
            write(path, bytes(40 << 20))
        finally:
            if os.path.exists(path):
                os.unlink(path)

    return {folder: attempt(lambda folder=folder: fill(folder)) for folder in told["roots"]}


def inodes(told):
    """Make 200,000 empty files, which cost the kernel's memory and no byte of the folder."""

    def grow(folder):
        os.mkdir(f"{folder}/none")
        end = time.monotonic() + 3.5
        for number in range(200_000):
            os.close(os.open(f"{folder}/none/{number}", os.O_CREAT | os.O_WRONLY))
            if time.monotonic() > end:
                return f"{number} and on"

    return {"200,000 files": attempt(lambda: grow(told["work"]))}


def descriptors(told):
    """Open 5,000 descriptors."""

    def grow():
        held = []
        try:
            while len(held) < 5000:
                held.append(os.dup(0))
        finally:
            for descriptor in held:
                os.close(descriptor)

    return {"5,000": attempt(grow)}


def threads(told):
    """Start 300 threads."""
    over = threading.Event()

    def grow():
        started = []
        try:
            for _ in range(300):
                thread = threading.Thread(target=over.wait, daemon=True)
                thread.start()
                started.append(thread)
        finally:
            over.set()
            for thread in started:
                thread.join()

    return {"300": attempt(grow)}


def burn(told):
    """Use all processor time there is, in four processes."""
    for _ in range(3):
        if os.fork() == 0:
            break
    while True:
        pass


def sleep_for_ever(told):
    """Hold the slot by doing nothing."""
    time.sleep(1e6)


def deaf(told):
    """Ignore every signal that can be ignored, and wait."""
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            continue
    while True:
        time.sleep(1)


def outlive(told):
    """Leave a daemon behind; the test looks for its token."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv(
                told["python"],
                [told["python"], "-c", "import time; time.sleep(60)", told["token"]],
            )
        os._exit(0)
    time.sleep(0.5)
    return {"daemon": "left"}


def endless_output(told):
    """Print without end, by Python and past it."""
    for _ in range(2000):
        print("x" * 1000)
    while True:
        os.write(1, b"y" * 4096)


def large_result(told):
    """Answer with 10 MB."""
    return {"how": "x" * 10_000_000}


def strange_results(told):
    """Answer with something that is nested 500 deep, which many readers follow to their end."""
    value = []
    for _ in range(500):
        value = [value]
    return {"deep": value}


def fill_log(told):
    """Write 20 MB into the log; the test looks at the board's disk."""
    for _ in range(5000):
        told["context"].log("z" * 4000)
    return {"20 MB": "written"}


TABLE = (
    Attack(
        number=32,
        title="fork bomb",
        leak="no process for anybody else",
        source=fork_bomb,
        stopped=LIMIT,
        ground="own",
    ),
    Attack(
        number=33,
        title="memory bomb in one process",
        leak="no memory for anybody else",
        source=memory_bomb,
        stopped={"MemoryError": "rlimit", "ENOMEM": "rlimit"},
    ),
    Attack(
        number=34,
        title="memory bomb in many children",
        leak="no memory for anybody else",
        source=memory_in_children,
        stopped={"ENOMEM": "rlimit", "OutOfMemory": "memory watch"},
        ground="own",
    ),
    Attack(
        number=35,
        title="memory through memfd, tmpfs, /dev/shm",
        leak="memory that no limit counts",
        source=memory_in_files,
        stopped={"EPERM": "seccomp", "ENOSPC": "tmpfs size"},
        outside={"tmpfs": ["{scratch}"]},
    ),
    Attack(
        number=36,
        title="one big file",
        leak="no disk for anybody else",
        source=big_file,
        stopped={"EFBIG": "rlimit", "ENOSPC": "tmpfs size"},
        outside={"work": "{scratch}"},
    ),
    Attack(
        number=37,
        title="many files",
        leak="no disk for anybody else",
        source=many_files,
        stopped={"ENOSPC": "tmpfs size"},
        outside={"work": "{scratch}"},
    ),
    Attack(
        number=38,
        title="fill the root, /dev, /dev/shm",
        leak="memory that no limit counts",
        source=fill_roots,
        stopped={"EROFS": "read-only view", "ENOSPC": "tmpfs size", "EACCES": "uid"},
        outside={"roots": ["{scratch}"]},
    ),
    Attack(
        number=39,
        title="inodes",
        leak="the kernel's memory",
        source=inodes,
        stopped={"ENOSPC": "inode limit"},
        outside={"work": "{scratch}"},
    ),
    Attack(
        number=40,
        title="descriptors",
        leak="the kernel's tables",
        source=descriptors,
        stopped={"EMFILE": "rlimit"},
    ),
    Attack(
        number=41,
        title="threads",
        leak="no thread for anybody else",
        source=threads,
        stopped={"RuntimeError": "rlimit", "EAGAIN": "rlimit"},
    ),
    Attack(
        number=42,
        title="processor hog",
        leak="no time for anybody else",
        source=burn,
        stopped=DEADLINE,
        ground="own",
        succeeds="timeout",
    ),
    Attack(
        number=43,
        title="sleep for ever",
        leak="a slot held for ever",
        source=sleep_for_ever,
        stopped=DEADLINE,
        ground="own",
        succeeds="timeout",
    ),
    Attack(
        number=44,
        title="ignore every signal",
        leak="a slot held for ever",
        source=deaf,
        stopped=DEADLINE,
        ground="own",
        succeeds="timeout",
    ),
    Attack(
        number=45,
        title="daemonise and outlive the call",
        leak="a process that nobody ends",
        source=outlive,
        stopped={"left": "pid namespace"},
        checks=("no daemon",),
        succeeds="daemon",
    ),
    Attack(
        number=46,
        title="endless standard output",
        leak="the supervisor's memory, the board's disk",
        source=endless_output,
        stopped=DEADLINE,
        checks=("log is small", "supervisor is small"),
        ground="own",
        succeeds="timeout",
    ),
    Attack(
        number=47,
        title="a result of 10 MB",
        leak="the memory of supervisor, agent and cloud",
        source=large_result,
        stopped={"result_too_large": "channel"},
        checks=("supervisor is small",),
        succeeds="large",
    ),
    Attack(
        number=48,
        title="a result nested deeply",
        leak="a reader that recurses to its end",
        source=strange_results,
        stopped={"plugin_failed": "channel", "ResultNotJson": "channel"},
        succeeds="deep",
    ),
    Attack(
        number=49,
        title="fill the log",
        leak="the board's disk",
        source=fill_log,
        stopped={"written": "log ring"},
        checks=("log is small",),
        succeeds="written",
    ),
)
