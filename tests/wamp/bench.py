"""The wamp agent between a real router and a core small enough for tests.

The reactor runs in a thread of the test process, once; tests reach it through
:func:`in_reactor`. The core is the real local transport with made-up answers.
"""

from __future__ import annotations

import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autobahn.wamp.cryptosign import CryptosignKey
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread

from iotronic_mec import errors
from iotronic_mec.bridge.local import Bridge
from iotronic_mec.cmd import router, state_dir
from iotronic_mec.cmd.state_dir import StateDir
from iotronic_mec.context import system_context
from iotronic_mec.rpc.boards import Boards
from iotronic_mec.rpc.local import LocalServer
from iotronic_mec.wamp.agent import AgentSettings, WampAgent
from lightning_agent.protocol.messages import Joined
from tests.wamp.agent_bench import free_port
from tests.wamp.client import Client, connect

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PING_MS = 2000
"""Short pings, so that a frozen client is found out within a test."""

_RUNNING: list[threading.Thread] = []


def start_reactor() -> None:
    """Run the reactor in a thread of its own, unless it runs."""
    if not _RUNNING:
        thread = threading.Thread(target=reactor.run, args=(False,), name="reactor", daemon=True)
        thread.start()
        _RUNNING.append(thread)


def in_reactor(work: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """Run a function there, and wait for the Deferred or coroutine it returns."""

    def bounded() -> Any:
        answer = work()
        if hasattr(answer, "send"):
            answer = Deferred.fromCoroutine(answer)
        return answer.addTimeout(timeout_s, reactor) if isinstance(answer, Deferred) else answer

    return blockingCallFromThread(reactor, bounded)


class Router:
    """Crossbar with our own configuration, and one more role for controls.

    Its third transport lets anyone in as ``control``, a role with *static*
    permissions: what a forged call does where no authorizer looks.
    """

    def __init__(self, folder: Path) -> None:
        self.state_dir: StateDir = state_dir.prepare(folder)
        self.seed = state_dir.wamp_agent_seed(self.state_dir)
        port, control_port = free_port(), free_port()
        self.url = f"ws://127.0.0.1:{port}/ws"
        self.control_url = f"ws://127.0.0.1:{control_port}/ws"
        settings = router.RouterSettings(public_key=router.public_key(self.seed), port=port)
        path = router.write(self.state_dir, settings)
        written = json.loads(path.read_text())
        worker = written["workers"][0]
        options = worker["transports"][1]["paths"]["ws"]["options"]
        options |= {"auto_ping_interval": PING_MS, "auto_ping_timeout": PING_MS}
        static = dict(worker["realms"][0]["roles"][0], name="control")
        worker["realms"][0]["roles"].append(static)
        worker["transports"].append(
            {
                "id": "control",
                "type": "websocket",
                "endpoint": {"type": "tcp", "port": control_port, "interface": "127.0.0.1"},
                "serializers": ["msgpack"],
                "auth": {"anonymous": {"type": "static", "role": "control"}},
            }
        )
        path.write_text(json.dumps(written))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it is up when the wamp agent can join."""
        router.clear_stale(self.state_dir)
        with (self.state_dir.logs / "router.log").open("ab") as log:
            self.process = subprocess.Popen(
                router.command(self.state_dir), stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """Kill controller and worker."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            self.process = None


class Core:
    """The conductor's answers to the wamp agent, and what it was told."""

    def __init__(self, path: Path) -> None:
        self.boards: dict[str, dict[str, Any]] = {}
        self.codes: dict[str, dict[str, Any]] = {}
        self.told: list[tuple[str, dict[str, Any]]] = []
        self._path = path
        self.server = LocalServer(path, self._answer)

    def start(self) -> None:
        """Listen."""
        self.server.start()

    def restart(self) -> None:
        """End all links and listen anew."""
        self.server.stop()
        self.server = LocalServer(self._path, self._answer)
        self.server.start()

    def add_board(self, key: str | None) -> str:
        """Add a board with its public key."""
        board = str(uuid.uuid4())
        self.boards[board] = {"uuid": board, "public_key": key, "project": "p", "name": "b"}
        return board

    def heard(self, method: str) -> list[dict[str, Any]]:
        """Return what was told by one method."""
        return [arguments for name, arguments in self.told if name == method]

    def refused(self, authid: str) -> dict[str, int]:
        """Return how often a claimed authid was refused, by reason."""
        counted: dict[str, int] = {}
        for arguments in self.heard("refusals"):
            for line in arguments["entries"]:
                if line["authid"] == authid:
                    counted[line["reason"]] = counted.get(line["reason"], 0) + line["count"]
        return counted

    def call_board(self, agent: str, board: str, procedure: str, **options: Any) -> Any:
        """Call a board the way features do."""
        return Boards(self.server).call(
            system_context(),
            agent,
            board,
            procedure,
            options.get("message", {}),
            options.get("timeout_s", 5.0),
        )

    def _answer(self, frame: dict[str, Any]) -> dict[str, Any]:
        try:
            method, arguments = frame["m"], frame["a"]
            self.told.append((method, arguments))
            answer = getattr(self, f"_do_{method}", lambda **_: None)(**arguments)
            return {"t": "answer", "id": frame.get("id"), "r": answer}
        except errors.Error as error:
            return {"t": "error", "id": frame.get("id"), "e": error.to_wire()}

    def _do_directory(self, after: str, limit: int) -> dict[str, Any]:
        rows = sorted(
            (row for board, row in self.boards.items() if board > after),
            key=lambda row: str(row["uuid"]),
        )
        page = rows[:limit]
        return {"boards": page, "next": page[-1]["uuid"] if len(rows) > limit else None}

    def _do_find_code(self, digest: str) -> dict[str, Any]:
        if digest not in self.codes:
            raise errors.NotFound("no such code")
        return self.codes[digest]

    def _do_enrolled(self, row: int, public_key: str, **_: Any) -> dict[str, Any]:
        code = next(code for code in self.codes.values() if code["row"] == row)
        if code["used"] and code["public_key"] != public_key:
            raise errors.CodeUnknownOrUsed("used")
        code |= {"used": True, "public_key": public_key}
        self.boards[code["board"]]["public_key"] = public_key
        return {"board": code["board"], "name": "b", "project": "p"}

    def _do_joined(self, board: str, session: int, join: dict[str, Any]) -> dict[str, Any]:
        return Joined(board=board, name="b", retry_window_s=1.0, heartbeat_s=30.0).to_wire()


class Front:
    """The wamp agent and its bridge, in the reactor's thread."""

    def __init__(self, router: Router, core_path: Path) -> None:
        self.uuid = str(uuid.uuid4())
        self.secret = secrets.token_bytes(32)
        self._router = router
        self._core_path = core_path
        self.agent: WampAgent
        self.bridge: Bridge

    def start(self) -> None:
        """Join, and wait until boards may log in."""
        in_reactor(self._start)
        soon(lambda: self.agent.ready, 40.0)

    def stop(self) -> None:
        """Leave."""
        in_reactor(self._stop)

    def _start(self) -> None:
        self.bridge = Bridge(reactor, self._core_path, name="front", topics=(f"wamp.{self.uuid}",))
        self.agent = WampAgent(
            reactor,
            self.bridge,
            AgentSettings(
                uuid=self.uuid,
                url=self._router.url,
                socket=self._router.state_dir.router_socket,
                seed=self._router.seed,
                secret=self.secret,
            ),
        )
        self.bridge.start()
        self.agent.start()

    def _stop(self) -> None:
        self.agent.stop()
        self.bridge.stop()


class Identity:
    """A board's uuid and key."""

    def __init__(self, core: Core) -> None:
        self.seed = secrets.token_hex(32)
        self.public_key = self.public_key_of(self.seed)
        self.uuid = core.add_board(self.public_key)

    @staticmethod
    def public_key_of(seed: str) -> str:
        """Return the public half of a seed."""
        return str(CryptosignKey.from_bytes(bytes.fromhex(seed)).public_key())

    def login(self, **overrides: Any) -> dict[str, Any]:
        """Return what a client needs to join as this board."""
        return {
            "method": "cryptosign",
            "authid": self.uuid,
            "seed": self.seed,
            **overrides,
        }


def join(url: str, login: dict[str, Any], realm: str = "iotronic") -> Client:
    """Join from this process."""
    client: Client = in_reactor(lambda: connect(url, login, realm))
    return client


class BoardProcess:
    """A board in a process of its own, to be frozen and killed."""

    def __init__(self, url: str, identity: Identity) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.wamp.client", url, identity.uuid, identity.seed],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=REPOSITORY,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        assert self.line() == "ready"

    def line(self, timeout_s: float = 20.0) -> str:
        """Return the next line it prints."""
        return self._lines.get(timeout=timeout_s)

    def signal(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it, frozen or not."""
        self.process.kill()
        self.process.wait(10)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        try:
            for line in self.process.stdout:
                self._lines.put(line.strip())
        except ValueError:
            return


def soon(condition: Callable[[], Any], timeout_s: float = 10.0) -> Any:
    """Return what the condition gives once it is true."""
    until = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < until, "not so within its time"
        time.sleep(0.02)
    return found
