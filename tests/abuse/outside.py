"""The control: the same code as an ordinary child process, without a sandbox.

Reads one JSON object from its standard input, runs its code in a fork and prints how it ended.
Grounds, so that nothing reaches the host:

``plain``      a child process of the tests
``own``        in mount, pid, ipc, uts and network namespaces of its own, with all of root's powers
``terminal``   as ``own``, its standard descriptors a terminal of its own
``metadata``   as ``own``, with a server at 169.254.169.254:80
``devices``    as ``own``, its ``/dev`` has nodes that lead nowhere
``descriptors``   as ``plain``, with a connected socket it was not meant to have
``channel``    as ``plain``, with one end of a socket pair whose other end believes everything
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import pickle
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import types
from typing import Any, NoReturn

OWN = (
    *("unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"),
    *("--ipc", "--uts", "--net"),
)

SIOCSIFADDR, SIOCSIFFLAGS, IFF_UP = 0x8916, 0x8914, 1
"""Source: linux/sockios.h, linux/if.h."""

LIMIT_S = 5.0
"""Seconds the code has at most."""


def run_outside(
    code: str,
    told: dict[str, Any],
    *,
    ground: str = "plain",
    calls: int = 1,
    prefix: list[str] | None = None,
) -> dict[str, Any]:
    """Run the code without a sandbox; return its verdict, and how its process ended."""
    order: dict[str, Any] = {
        "code": code,
        "told": told,
        "calls": calls,
        "limit_s": LIMIT_S,
        "ground": ground,
    }
    own = () if ground in ("plain", "descriptors", "channel") else OWN
    command = [*(prefix or []), *own, sys.executable, __file__]
    done = subprocess.run(
        command,
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=LIMIT_S * 4,
        check=False,
        env={**os.environ, "PLANTED_SECRET": "planted"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def succeeded(kind: str, found: dict[str, Any], token_alive: bool) -> bool:
    """Return whether the code got what it wanted.

    :param kind: ``Attack.succeeds``
    :param found: what :func:`run_outside` returned
    :param token_alive: whether a process with the attack's token is left
    """
    verdict = found["verdict"] or {}
    how = verdict.get("how", {})
    judged = {
        "leaked": verdict.get("leaked") is True,
        "timeout": found["end"] == "timeout",
        "signal": found["end"].startswith("signal"),
        "victim": found["victim"] is False,
        "daemon": token_alive,
        "large": len(str(how)) > 5_000_000,
        "deep": isinstance(how, dict) and isinstance(how.get("deep"), list),
        "integer": isinstance(how, dict) and how.get("integer") == 2**70,
        "written": found["logged"] > 10_000_000,
        "sent": found["bytes"] > 0,
        "twice": found["frames"] >= 3,
        "descriptors": found["descriptors"] >= 50,
        "unpickled": found["unpickled"],
    }
    return judged[kind]


def main() -> None:
    """Run the order that is read and print its end."""
    order = json.load(sys.stdin)
    raise_limits()
    prepare = {"metadata": serve_metadata, "devices": make_devices}.get(order["ground"])
    kept = prepare() if prepare else None
    with subprocess.Popen(["sleep", "100"], start_new_session=True) as victim:
        found = run(order, with_victim(order["told"], victim.pid))
        found["victim"] = victim.poll() is None
        found["logged"] = logged(order["told"]["scratch"])
        victim.kill()
    if kept is not None:
        kept.close()
    print(json.dumps(found))


def with_victim(told: dict[str, Any], pid: int) -> dict[str, Any]:
    """Return what the code is told, with a victim of its own."""
    filled = {name: pid if value == "{victim}" else value for name, value in told.items()}
    return {**filled, "victim": pid}


def raise_limits() -> None:
    """Allow as many descriptors as there may be."""
    with contextlib.suppress(OSError, ValueError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def logged(scratch: str) -> int:
    """Return how many bytes the code logged."""
    with contextlib.suppress(FileNotFoundError):
        return os.stat(f"{scratch}/log").st_size
    return 0


def serve_metadata() -> socket.socket:
    """Bring up loopback with the address and listen there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        address = struct.pack("16sH2x4s8x", b"lo:0", socket.AF_INET, bytes((169, 254, 169, 254)))
        fcntl.ioctl(control, SIOCSIFADDR, address)
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo:0", IFF_UP))
    return socket.create_server(("169.254.169.254", 80))


def make_devices() -> None:
    """Cover ``/dev`` and make nodes there that are ``/dev/null`` by another name."""
    subprocess.run(["mount", "-t", "tmpfs", "none", "/dev"], check=True)
    for name in ("null", "video0", "gpiochip0", "i2c-1"):
        os.mknod(f"/dev/{name}", 0o20666, os.makedev(1, 3))


def take_terminal() -> None:
    """Make a terminal and have it as the standard descriptors and the controlling one."""
    _, ours = os.openpty()
    os.setsid()
    fcntl.ioctl(ours, termios.TIOCSCTTY, 0)
    for number in (0, 1, 2):
        os.dup2(ours, number)


def run(order: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """Run the code in a fork of its own; return ``verdict``, ``end`` and what came otherwise."""
    reader, writer = os.pipe()
    ours, theirs = socket.socketpair()
    middle = os.fork()
    if middle == 0:
        os.close(reader)
        ours.close()
        stay_between(order, told, writer, theirs)
    os.close(writer)
    theirs.close()
    said = listen(reader, order["limit_s"])
    os.kill(middle, signal.SIGKILL)
    os.waitpid(middle, 0)
    verdict, _, code = said.partition("\n")
    end = "timeout" if not code else f"signal {-int(code)}" if code.startswith("-") else "exit"
    return {"verdict": json.loads(verdict) if verdict else None, "end": end, **believe(ours)}


def stay_between(
    order: dict[str, Any], told: dict[str, Any], writer: int, channel: socket.socket
) -> NoReturn:
    """Be the parent that the code may kill, and tell how the code ended."""
    os.setpgid(0, 0)
    child = os.fork()
    if child == 0:
        if order["ground"] == "terminal":
            take_terminal()
        else:
            os.setpgid(0, 0)
            hush()
        if order["ground"] != "channel":
            channel.close()
        kept = connect(told) if order["ground"] == "descriptors" else None
        os.write(writer, json.dumps(act(order, told)).encode())
        if kept is not None:
            kept.close()
        os._exit(0)
    channel.close()
    _, status = os.waitpid(child, 0)
    os.write(writer, f"\n{os.waitstatus_to_exitcode(status)}".encode())
    os._exit(0)


def hush() -> None:
    """Have nothing on the standard descriptors."""
    nothing = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)


def connect(told: dict[str, Any]) -> socket.socket:
    """Return a connection that the code then finds open."""
    return socket.create_connection(("127.0.0.1", told["tcp"]), 2)


def believe(channel: socket.socket) -> dict[str, Any]:
    """Take everything from a channel as a careless reader does: descriptors, pickles."""
    found: dict[str, Any] = {"frames": 0, "descriptors": 0, "unpickled": False}
    channel.settimeout(0.2)
    taken = b""
    with contextlib.suppress(OSError):
        while True:
            content, rights, _, _ = socket.recv_fds(channel, 1 << 20, 64)
            if not content:
                break
            taken += content
            found["descriptors"] += len(rights)
            for descriptor in rights:
                os.close(descriptor)
    with contextlib.suppress(Exception):
        pickle.loads(taken[4:])
        found["unpickled"] = True
    return {**found, "frames": taken.count(b'"t"'), "bytes": len(taken)}


def listen(reader: int, limit_s: float) -> str:
    """Return what is written to the pipe until its end or the limit."""
    said = b""
    end = time.monotonic() + limit_s
    while select.select([reader], [], [], max(0.0, end - time.monotonic()))[0]:
        piece = os.read(reader, 65536)
        if not piece:
            break
        said += piece
    os.close(reader)
    return said.decode()


def act(order: dict[str, Any], told: dict[str, Any]) -> Any:
    """Do what a plugin's process does: define, call as often as wanted, return the last."""
    module = types.ModuleType("plugin")
    exec(compile(order["code"], "plugin.py", "exec"), module.__dict__)
    work = pathlib.Path(tempfile.mkdtemp(dir=told["scratch"]))
    log = open(f"{told['scratch']}/log", "a")

    def note(text: object) -> None:
        """Keep all that is logged or reported."""
        log.write(f"{text}\n")

    context = types.SimpleNamespace(work=work, path=work, log=note, report=note)
    answer = None
    for _ in range(order["calls"]):
        answer = module.main(context, **told)
    return answer


if __name__ == "__main__":
    main()
