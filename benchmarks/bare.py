"""The floor: Crossbar alone, a bare caller and a bare callee, no authentication.

``python -m benchmarks.bare callee URL`` and ``… caller PATH`` are the two
processes; the caller measures a round whenever a line with a count comes in.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

REALM = "bench"
ECHO = "bench.board.echo."
PAYLOAD = "x" * 256
"""Both ways, bytes; as in spec/hot-path.md."""

READY_S = 60.0


def config(port: int, socket_path: str) -> dict[str, Any]:
    """Return a router configuration without authentication."""
    anonymous = {"anonymous": {"type": "static", "role": "anonymous"}}
    allow = {"call": True, "register": True, "publish": True, "subscribe": True}
    permissions = [{"uri": "", "match": "prefix", "allow": allow, "cache": True}]
    return {
        "version": 2,
        "controller": {},
        "workers": [
            {
                "type": "router",
                "id": "router1",
                "options": {},
                "realms": [
                    {
                        "name": REALM,
                        "roles": [{"name": "anonymous", "permissions": permissions}],
                    }
                ],
                "transports": [
                    {
                        "id": "private",
                        "type": "rawsocket",
                        "endpoint": {"type": "unix", "path": socket_path},
                        "serializers": ["msgpack"],
                        "auth": anonymous,
                    },
                    {
                        "id": "public",
                        "type": "websocket",
                        "endpoint": {
                            "type": "tcp",
                            "port": port,
                            "interface": "127.0.0.1",
                        },
                        "serializers": ["msgpack"],
                        "auth": anonymous,
                    },
                ],
            }
        ],
    }


class BareRouter:
    """Crossbar as it comes.

    :param folder: for its configuration and socket
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.socket = folder / "private.sock"
        written = json.dumps(config(self.port, "private.sock"))
        (folder / "config.json").write_text(written, encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it; return the seconds until its port takes connections."""
        since = time.monotonic()
        crossbar = str(Path(sys.executable).with_name("crossbar"))
        command = [crossbar, "start", "--cbdir", str(self.folder), "--loglevel", "warn"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while time.monotonic() - since < READY_S:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return time.monotonic() - since
            time.sleep(0.005)
        raise RuntimeError("the bare router did not start")

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(15)
            self._process = None


class BarePair:
    """A caller and a callee on a bare router."""

    def __init__(self, router: BareRouter) -> None:
        base = [sys.executable, "-m", "benchmarks.bare"]
        pipes: dict[str, Any] = {
            "stdin": subprocess.PIPE,
            "stdout": subprocess.PIPE,
            "text": True,
        }
        url = f"ws://127.0.0.1:{router.port}/"
        self._callee = subprocess.Popen([*base, "callee", url], **pipes)
        _expect(self._callee, "ready")
        self._caller = subprocess.Popen([*base, "caller", str(router.socket)], **pipes)
        _expect(self._caller, "ready")

    def round(self, count: int) -> list[float]:
        """Call one after another; return each call's milliseconds."""
        assert self._caller.stdin is not None and self._caller.stdout is not None
        self._caller.stdin.write(f"{count}\n")
        self._caller.stdin.flush()
        samples: list[float] = json.loads(self._caller.stdout.readline())
        return samples

    def stop(self) -> None:
        """End both."""
        for process in (self._caller, self._callee):
            process.kill()
            process.wait(10)


def _expect(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if line != word:
        raise RuntimeError(f"{process.args} said {line!r}")


def _say(line: str) -> None:
    # autobahn's logging takes print over; the descriptor stays ours
    os.write(1, f"{line}\n".encode())


def _main(part: str, where: str) -> None:
    """Run one of the two processes."""
    # the reactor is for these processes only
    from autobahn.twisted.component import Component, run
    from autobahn.wamp.types import RegisterOptions
    from twisted.internet import threads
    from twisted.internet.defer import inlineCallbacks

    transport: dict[str, Any] = {"serializers": ["msgpack"], "max_retries": -1}
    if part == "callee":
        transport |= {"type": "websocket", "url": where}
    else:
        transport = {
            "type": "rawsocket",
            "url": "rs://localhost",
            "endpoint": {"type": "unix", "path": where},
            "serializer": "msgpack",
        }
    component = Component(transports=[transport], realm=REALM)

    @component.on_join
    @inlineCallbacks
    def joined(session: Any, _details: Any) -> Any:
        if part == "callee":
            yield session.register(
                lambda message: message,
                ECHO,
                options=RegisterOptions(match="prefix"),
            )
            _say("ready")
            return
        _say("ready")
        while True:
            line = yield threads.deferToThread(sys.stdin.readline)
            if not line:
                session.leave()
                return
            samples = []
            message = {"say": PAYLOAD}
            for _ in range(int(line)):
                since = time.perf_counter()
                answer = yield session.call(f"{ECHO}one", message)
                samples.append((time.perf_counter() - since) * 1000)
                if answer != message:
                    raise RuntimeError("the floor did not echo")
            _say(json.dumps(samples))

    run([component], log_level="error")


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2])
