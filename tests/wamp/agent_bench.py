"""A router, the stand-in cloud and agents as processes, for the agent's router tests."""

from __future__ import annotations

import ipaddress
import itertools
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.wamp.agent_cloud import public_key

HERE = Path(__file__).resolve().parent
PATIENCE_S = 30.0
"""For whole processes on a busy machine."""


def crossbar() -> str:
    """Return the router's executable."""
    beside = Path(sys.executable).parent / "crossbar"
    return str(beside) if beside.exists() else shutil.which("crossbar") or "crossbar"


def free_port() -> int:
    """Return a port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configuration(port: int, socket_path: str) -> dict[str, Any]:
    """Return the router's configuration: a private and a public transport."""

    def dynamic(procedure: str) -> dict[str, str]:
        return {
            "type": "dynamic",
            "authenticator": procedure,
            "authenticator-realm": "iotronic",
            "authenticator-role": "trusted",
        }

    everything = {"call": True, "register": True, "publish": True, "subscribe": True}
    service = {
        "name": "service",
        "permissions": [
            {
                "uri": "",
                "match": "prefix",
                "cache": True,
                "allow": everything,
                "disclose": {"caller": True, "publisher": True},
            }
        ],
    }
    roles = [
        service,
        {"name": "enrol", "authorizer": "iotronic.auth.authorize_enrol"},
        {"name": "board", "authorizer": "iotronic.auth.authorize_board"},
    ]
    principal = {"realm": "iotronic", "role": "service", "authorized_keys": [public_key()]}
    private = {
        "id": "private",
        "type": "rawsocket",
        "endpoint": {"type": "unix", "path": socket_path},
        "serializers": ["cbor", "msgpack"],
        "auth": {"cryptosign": {"type": "static", "principals": {"wamp-agent": principal}}},
    }
    public = {
        "id": "public",
        "type": "websocket",
        "endpoint": {"type": "tcp", "port": port, "interface": "127.0.0.1"},
        "serializers": ["cbor", "msgpack"],
        "options": {"max_message_size": 16777216, "fail_by_drop": True, "tcp_nodelay": True},
        "auth": {
            "ticket": dynamic("iotronic.auth.ticket"),
            "cryptosign": dynamic("iotronic.auth.board"),
        },
    }
    worker = {
        "type": "router",
        "id": "router1",
        "realms": [{"name": "iotronic", "roles": roles}],
        "transports": [private, public],
    }
    return {"version": 2, "controller": {}, "workers": [worker]}


class Router:
    """Crossbar in a folder of its own; may be killed and started again."""

    def __init__(self, folder: Path, *, tls: bool = False) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"ws{'s' if tls else ''}://127.0.0.1:{self.port}/ws"
        self.ca = folder / "ca.pem"
        self.socket_path = str(folder / "private.sock")
        settings = configuration(self.port, self.socket_path)
        if tls:
            make_certificates(folder)
            public = settings["workers"][0]["transports"][1]
            public["endpoint"]["tls"] = {"key": "key.pem", "certificate": "certificate.pem"}
        (folder / "config.json").write_text(json.dumps(settings))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        Path(self.socket_path).unlink(missing_ok=True)
        with open(self.folder / "router.log", "ab") as log:
            self.process = subprocess.Popen(
                [crossbar(), "start", "--cbdir", str(self.folder), "--loglevel", "warn"],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        eventually(self._listens)

    def kill(self) -> None:
        """Kill controller and worker."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            self.process = None
            (self.folder / "node.pid").unlink(missing_ok=True)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def make_certificates(folder: Path) -> None:
    """Write an authority (``ca.pem``) and a certificate of it for 127.0.0.1."""
    begin = datetime.now(UTC) - timedelta(days=1)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of the test")])
    key = ec.generate_private_key(ec.SECP256R1())

    def certificate(subject: x509.Name, public_key: Any, *extensions: Any) -> bytes:
        builder = x509.CertificateBuilder(
            issuer_name=authority,
            subject_name=subject,
            public_key=public_key,
            serial_number=x509.random_serial_number(),
            not_valid_before=begin,
            not_valid_after=begin + timedelta(days=9),
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(authority_key, hashes.SHA256()).public_bytes(Encoding.PEM)

    addresses = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    board = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "router")])
    (folder / "ca.pem").write_bytes(
        certificate(
            authority,
            authority_key.public_key(),
            x509.BasicConstraints(ca=True, path_length=None),
            x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()),
        )
    )
    (folder / "certificate.pem").write_bytes(
        certificate(
            board,
            key.public_key(),
            x509.SubjectAlternativeName(addresses),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
        )
    )
    (folder / "key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )


class CloudProcess:
    """The stand-in cloud, driven by lines."""

    def __init__(self, router: Router) -> None:
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "agent_cloud.py"), router.socket_path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def do(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Give an order and return its answer: ``result`` or ``error``."""
        number = next(self._numbers)
        answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._answers[number] = answers
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, "do": what, **arguments}) + "\n")
        self._process.stdin.flush()
        return answers.get(timeout=PATIENCE_S)

    def wait(self, event: str, **fields: Any) -> dict[str, Any]:
        """Return the next such event; others before it are forgotten."""
        end = time.monotonic() + PATIENCE_S
        while True:
            found = self._events.get(timeout=max(end - time.monotonic(), 0.01))
            if found["event"] == event and fields.items() <= found.items():
                return found

    def forget_events(self) -> None:
        """Forget what happened so far."""
        while not self._events.empty():
            self._events.get()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._reader.join(5)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                message = json.loads(line)
                if "id" in message:
                    self._answers.pop(message["id"]).put(message)
                else:
                    self._events.put(message)


class AgentProcess:
    """``lightning-agent run`` in a state directory."""

    def __init__(self, state_dir: Path, *arguments: str) -> None:
        self.state_dir = state_dir
        self.log = state_dir.parent / f"{state_dir.name}.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command("run", "--state-dir", str(state_dir), *arguments),
                stdout=log,
                stderr=log,
                env=environment(),
            )

    def words(self) -> str:
        """Return what it has logged."""
        return self.log.read_text()

    def stop(self) -> float:
        """End it by SIGTERM; return the seconds it took."""
        began = time.monotonic()
        self.process.terminate()
        self.process.wait(10)
        return time.monotonic() - began

    def kill(self) -> None:
        """Kill it as a crash would."""
        self.process.kill()
        self.process.wait(10)

    def close(self) -> None:
        """End it and its supervisor, however they are."""
        if self.process.poll() is None:
            self.kill()
        end_supervisor(self.state_dir)


def end_supervisor(state_dir: Path) -> None:
    """End the supervisor of a state directory, if there is one."""
    lock = state_dir / "supervisor.lock"
    if not lock.exists():
        return
    pid = int(lock.read_text().strip() or 0)
    if pid and (state_dir / "supervisor.sock").exists():
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: not (state_dir / "supervisor.sock").exists())


def command(*arguments: str) -> list[str]:
    """Return the command line of the agent."""
    return [sys.executable, "-m", "lightning_agent", *arguments]


def environment() -> dict[str, str]:
    """Return an environment that finds this checkout."""
    return {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the agent's command to its end."""
    return subprocess.run(
        command(*arguments),
        input=stdin,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def eventually(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds.

    :raises AssertionError: it does not within the patience
    """
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, "it did not become true in time"
        time.sleep(0.02)
