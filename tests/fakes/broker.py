"""A virtual host of RabbitMQ of a test's own: nothing is shared with others' runs.

``IOT_TEST_RABBITMQ`` names a URL with a virtual host to use as it is; without it
one is made by ``rabbitmqctl`` (which asks for root) and removed again. A broker
that is not there is a failure, never a skip.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from oslo_config import cfg

HOST = "127.0.0.1"
PORT = 5672


@contextmanager
def virtual_host() -> Iterator[str]:
    """Give the URL of an empty virtual host; remove it after."""
    given = os.environ.get("IOT_TEST_RABBITMQ")
    if given:
        yield given
        return
    name = f"iotronic-test-{secrets.token_hex(6)}"
    control("add_vhost", name)
    try:
        control("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
        yield f"rabbit://guest:guest@{HOST}:{PORT}/{name}"
    finally:
        control("delete_vhost", name)


def private_conf() -> cfg.ConfigOpts:
    """Return a configuration object that is not the global one."""
    conf = cfg.ConfigOpts()
    conf([], project="iotronic", default_config_files=[], default_config_dirs=[])
    return conf


def control(*arguments: str) -> None:
    """Run ``rabbitmqctl``; as root directly, else by sudo without a password."""
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    done = subprocess.run(
        [*prefix, "rabbitmqctl", "-q", *arguments], capture_output=True, text=True, timeout=60
    )
    if done.returncode:
        raise RuntimeError(f"rabbitmqctl {arguments[0]}: {done.stdout}{done.stderr}")


class Proxy:
    """A way to the broker that can be cut and opened again.

    :param port: where the broker listens
    """

    def __init__(self, port: int = PORT) -> None:
        self._target = port
        self._sockets: list[socket.socket] = []
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]

    def cut(self) -> None:
        """Break every connection and refuse new ones."""
        for held in (self._listener, *self._sockets):
            with suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
            held.close()
        self._sockets.clear()

    def open(self) -> None:
        """Take connections again on the same port."""
        self._listener = self._listen(self.port)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(64)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection((HOST, self._target), 5)
            except OSError:
                return
            self._sockets += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(one, other), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65_536):
            sink.sendall(piece)
    for held in (source, sink):
        with suppress(OSError):
            held.shutdown(socket.SHUT_RDWR)
