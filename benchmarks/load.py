"""Many callers in one process of their own: each sends the same request again and again.

``python -m benchmarks.load HOST PORT CALLERS`` reads the request's bytes, in
hexadecimal, from its first line; a line with seconds then makes it call for so
long and print its calls as JSON. Answers other than 200 end it.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import subprocess
import sys
import time
from typing import Any


class Load:
    """Such a process.

    :param request: what each caller sends
    """

    def __init__(self, host: str, port: int, callers: int, request: bytes) -> None:
        command = [sys.executable, "-m", "benchmarks.load", host, str(port), str(callers)]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(command, text=True, **pipes)
        self._say(request.hex())

    def begin(self, seconds: float) -> None:
        """Let the callers call for so long."""
        self._say(str(seconds))

    def end(self) -> list[float]:
        """Wait for the end; return each call's milliseconds."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a caller was not answered with 200")
        samples: list[float] = json.loads(line)
        return samples

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait(10)

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()


class _Caller:
    """One connection."""

    def __init__(self, host: str, port: int, request: bytes) -> None:
        self.socket = socket.create_connection((host, port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request
        self._received = b""
        self._since = 0.0

    def ask(self) -> None:
        self._received = b""
        self._since = time.perf_counter()
        self.socket.sendall(self._request)

    def take(self) -> float | None:
        """Read on; return the call's milliseconds when its answer is complete."""
        more = self.socket.recv(262_144)
        if not more:
            raise RuntimeError("the server closed the connection")
        self._received += more
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return None
        lines = head.split(b"\r\n")
        if not lines[0].startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(self._received[:500].decode("latin-1"))
        length = next(int(x.split(b":")[1]) for x in lines if x[:15].lower() == b"content-length:")
        if len(body) < length:
            return None
        return (time.perf_counter() - self._since) * 1000


def _run(callers: list[_Caller], seconds: float) -> list[float]:
    samples: list[float] = []
    with selectors.DefaultSelector() as selector:
        for caller in callers:
            selector.register(caller.socket, selectors.EVENT_READ, caller)
            caller.ask()
        end = time.perf_counter() + seconds
        asking = len(callers)
        while asking:
            for key, _ in selector.select(30):
                took = key.data.take()
                if took is None:
                    continue
                if time.perf_counter() < end:
                    samples.append(took)
                    key.data.ask()
                else:
                    asking -= 1
    return samples


def _main(host: str, port: int, count: int) -> None:
    request = bytes.fromhex(sys.stdin.readline())
    callers = [_Caller(host, port, request) for _ in range(count)]
    for line in sys.stdin:
        samples = _run(callers, float(line))
        os.write(1, f"{json.dumps([round(sample, 4) for sample in samples])}\n".encode())


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
