"""The inner side of a sandbox that is forked from: a warm interpreter, one fork for each call.

It belongs to one version of one plugin and imports nothing of tenants: numpy and the inference
engine, so that a call finds them.  Each fork has a process namespace and empty writable folders of
its own, is hardened before it reads a byte of the tenant's code, and waits for its order: one
that was made ahead begins a call in less than a millisecond.

On the control socket (SEQPACKET) a message ``f`` with four descriptors asks for a fork: channel,
standard output, standard error, and the socket its end is told on.  There goes first ``P`` with
the fork's pidfd, at the end its exit code as four bytes.  Standard library only.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import socket
import struct
import sys
from collections.abc import Mapping
from typing import Any

from lightning_agent.sandbox import hardening
from lightning_agent.sandbox.channel import Channel, decode, encode
from lightning_agent.sandbox.child import Runner, close_others, confine

FORK = b"f"
"""A request for a fork."""

BORN = b"P"
"""It is there; its pidfd comes along."""

STATUS = struct.Struct("!i")
"""Its exit code, negative for a signal."""

DESCRIPTORS = 4
"""Descriptors of a request."""

MAX_CAMERAS = 8
"""Most descriptors that come with an order."""

ENGINES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")
"""Inference engines, the preferred first."""


class Zygote:
    """Forks on request.

    :param control: asks for forks; its end is the end
    :param program: the filter of system calls
    :param settings: ``limits`` of a fork; ``sizes``, bytes of each writable folder of a fork;
        ``packages``, folders of ``sys.path``
    """

    def __init__(
        self, control: socket.socket, program: bytes, settings: Mapping[str, Any]
    ) -> None:
        self._control = control
        self._program = program
        self._settings = settings
        self._sizes: Mapping[str, int] = settings["sizes"]
        self._channel = Channel(control)
        self._runner = Runner(self._channel)
        self._selector = selectors.DefaultSelector()
        self._numpy_random: Any = None
        self._forks: dict[int, tuple[int, socket.socket]] = {}

    def serve(self) -> None:
        """Fork until the control socket is closed.

        What waits at the start is forked before anything is loaded: the first call
        does not wait for what it may not need.
        """
        sys.path += self._settings["packages"]
        self._selector.register(self._control, selectors.EVENT_READ)
        self._step(0)
        preload()
        self._numpy_random = getattr(sys.modules.get("numpy"), "random", None)
        while self._step(None):
            pass

    def _step(self, timeout_s: float | None) -> bool:
        for key, _ in self._selector.select(timeout_s):
            if key.fileobj is not self._control:
                self._reap(int(key.fd))
            elif not self._take():
                return False
        return True

    def _take(self) -> bool:
        """Take one request; say whether there may be more."""
        message, descriptors, _, _ = socket.recv_fds(self._control, 16, DESCRIPTORS)
        if not message:
            return False
        if message == FORK and len(descriptors) == DESCRIPTORS:
            self._fork(descriptors)
        else:
            _close(descriptors)
        return True

    def _fork(self, descriptors: list[int]) -> None:
        channel, out, err, told = descriptors
        # here and not in the fork, whose memory it would be; each has luck of its own
        if self._numpy_random is not None:
            self._numpy_random.seed()
        try:
            pid = hardening.fork_apart()
        except OSError:
            # too many processes: the other side sees the end without a word of a fork
            _close(descriptors)
            return
        if pid == 0:
            os._exit(self._child(channel, out, err))
        ends = socket.socket(fileno=told)
        pidfd = os.pidfd_open(pid)
        with contextlib.suppress(OSError):
            socket.send_fds(ends, [BORN], [pidfd])
        self._forks[pidfd] = (pid, ends)
        self._selector.register(pidfd, selectors.EVENT_READ)
        _close([channel, out, err])

    def _child(self, channel: int, out: int, err: int) -> int:
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.dup2(channel, 3)
        close_others({3})
        os.setpgid(0, 0)
        hardening.mount_fresh(self._sizes)
        hardening.give_up_privileges()
        hardening.restrict_files(list(self._sizes))
        hardening.install_filter(self._program)
        os.chdir(next(iter(self._sizes)))
        connection = socket.socket(fileno=3)
        confine(self._settings["limits"])
        self._channel.use(connection)
        self._runner.announce()
        order = receive_order(connection)
        if order is None:
            return 0  # nobody wants it any more
        confine(order["limits"])
        return self._runner.run(order, listens=False)

    def _reap(self, pidfd: int) -> None:
        pid, ends = self._forks.pop(pidfd)
        self._selector.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        with ends, contextlib.suppress(OSError):
            ends.send(STATUS.pack(os.waitstatus_to_exitcode(status)), socket.MSG_DONTWAIT)


def receive_order(connection: socket.socket) -> dict[str, Any] | None:
    """Wait for the order and the cameras that come with it; ``None`` when there is none.

    The numbers of the cameras in the order are places among the descriptors.
    """
    head, cameras, _, _ = socket.recv_fds(connection, 4, MAX_CAMERAS)
    if not head:
        return None
    body = _read_exactly(connection, 4 - len(head), head)
    length = int.from_bytes(body, "big")
    order: dict[str, Any] = decode(_read_exactly(connection, length))
    order["cameras"] = {
        name: cameras[found] if isinstance(found, int) else found
        for name, found in order["cameras"].items()
    }
    return order


def preload() -> None:
    """Import what calls use, run the paths of a call once, and leave all of it to the forks."""
    with contextlib.suppress(ImportError):
        importlib.import_module("numpy")
    for engine in ENGINES:
        try:
            importlib.import_module(engine)
        except ImportError:
            continue
        break
    # the lazy parts of compiling, packing and unpacking
    compile("def main():\n    return [1.5, 'x']\n", "warm", "exec")
    decode(encode({"t": "warm", "v": [1, "x"]})[4:])
    gc.collect()
    gc.freeze()


def main(arguments: list[str]) -> None:
    """Serve until the supervisor closes the control socket.

    :param arguments: descriptors of control socket and filter, and the settings as JSON
    """
    control, program = int(arguments[0]), int(arguments[1])
    settings = json.loads(arguments[2])
    close_others({control, program})
    with os.fdopen(program, "rb") as file:
        text = file.read()
    Zygote(socket.socket(fileno=control), text, settings).serve()
    os._exit(0)


def _read_exactly(connection: socket.socket, length: int, begun: bytes = b"") -> bytes:
    received = bytearray(begun)
    wanted = len(begun) + length
    while len(received) < wanted:
        piece = connection.recv(wanted - len(received))
        if not piece:
            raise EOFError("the supervisor closed the channel inside an order")
        received += piece
    return bytes(received)


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
