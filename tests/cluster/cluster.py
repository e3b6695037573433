"""A cloud of separate processes on RabbitMQ and PostgreSQL, and boards on it."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from demo.processes import script
from tests.e2e.cloud import HOST, LIMIT_S, Cloud, free_ports, processes_of, wait_for
from tests.fakes import engines
from tests.fakes.broker import virtual_host

REPOSITORY = Path(__file__).resolve().parents[2]

END_LIMIT_S = 5.0
"""Seconds a process has to end after SIGTERM."""

Sections = Mapping[str, Mapping[str, object]]


def written(sections: Sections) -> str:
    """Return a configuration file."""
    lines = []
    for section, values in sections.items():
        lines += [f"[{section}]", *(f"{name} = {value}" for name, value in values.items()), ""]
    return "\n".join(lines)


class Service:
    """One of our processes.

    :param program: its console script
    :param files: its configuration, a later one outranks an earlier one
    """

    def __init__(self, folder: Path, name: str, program: str, files: list[Path]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = [script(program)]
        for path in files:
            self._command += ["--config-file", str(path)]
        self._process: subprocess.Popen[bytes] | None = None
        self._from = 0

    @property
    def pid(self) -> int:
        """Process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it; it says in its log when it is ready."""
        self._from = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def wait_ready(self) -> None:
        """Wait until it says that it is ready; fail with its last words."""
        wait_for(f"{self.name} is ready: {self._tail()}", self._is_ready)

    def kill(self) -> None:
        """End it with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def terminate(self) -> float:
        """End it with SIGTERM; return the seconds it took."""
        if self._process is None:
            return 0.0
        since = time.monotonic()
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)
        return time.monotonic() - since

    def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"{self.name} ended: {self._tail()}")
        return " is ready" in self._said()

    def _said(self) -> str:
        with self.log.open("rb") as log:
            log.seek(self._from)
            return log.read().decode(errors="replace")

    def _tail(self) -> str:
        return "\n".join(self._said().splitlines()[-5:]) if self.log.exists() else ""


class Nginx:
    """nginx with the shipped example, its addresses replaced and without TLS."""

    def __init__(self, folder: Path, ports: Mapping[str, list[int]], public: list[int]) -> None:
        self._folder = folder
        text = (REPOSITORY / "etc/nginx/iotronic.conf").read_text(encoding="utf-8")
        text = re.sub(r"^    ssl_.*\n", "", text, flags=re.MULTILINE)
        for name, port in zip(("iot", "content", "boards"), public, strict=True):
            old = f"listen 443 ssl;\n    server_name {name}.example.org;"
            assert old in text
            text = text.replace(old, f"listen {HOST}:{port};\n    server_name {HOST};")
        for upstream, inner in ports.items():
            block = re.search(rf"upstream {upstream} \{{.*?\n\}}", text, flags=re.DOTALL)
            assert block is not None
            kept = re.sub(r"    server .*;\n", "", block[0])
            servers = "".join(
                f"    server {HOST}:{port} max_fails=1 fail_timeout=2s;\n" for port in inner
            )
            if " backup;" in block[0]:
                apis = ports["iotronic_api"]
                servers += "".join(f"    server {HOST}:{port} backup;\n" for port in apis)
            at = kept.rindex("keepalive") if "keepalive" in kept else kept.rindex("}")
            text = text.replace(block[0], f"{kept[:at].rstrip(' ')}{servers}{kept[at:]}")
        temporary = "".join(
            f"{kind}_temp_path {folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        folder.mkdir()
        (folder / "nginx.conf").write_text(
            f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\n"
            f"error_log {folder}/error.log;\nevents {{ worker_connections 1024; }}\n"
            f"http {{\naccess_log off;\n{temporary}{text}\n}}\n",
            encoding="utf-8",
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it in the foreground."""
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        if program is None:
            raise RuntimeError("nginx is not installed: apt-get install nginx-light")
        self._process = subprocess.Popen(
            [program, "-c", str(self._folder / "nginx.conf"), "-p", str(self._folder)],
            stdin=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


class Cluster(Cloud):
    """The separate processes, behind nginx where there is more than one of a kind.

    :param database: URL of an empty database
    :param broker: URL of an empty virtual host
    :param count: how many APIs, conductors and wamp agents
    """

    def __init__(self, folder: Path, database: str, broker: str, count: int) -> None:
        super().__init__(folder)
        self.proxied = count > 1
        inner = [port for _ in range(count) for port in free_ports()]
        api, content, boards = inner[:count], inner[count], inner[count + 1 :]
        public = list(free_ports()) if self.proxied else [api[0], content, boards[0]]
        self.ports = public[0], public[1], public[2]
        secret = folder / "secret.key"
        secret.write_bytes(secrets.token_bytes(32))
        common = folder / "iotronic.conf"
        common.write_text(
            written(
                {
                    "rpc": {"transport_url": broker},
                    "database": {"connection": database},
                    "cloud": {
                        "public_url": self.url,
                        "content_url": f"http://{HOST}:{self.ports[1]}",
                        "secret_file": secret,
                    },
                    "storage": {"path": folder / "blobs"},
                    "api": {"trust_proxy_headers": self.proxied},
                    "wamp_agent": {"url": self.wamp_url},
                    "log": {"format": "json", "access": True},
                }
            ),
            encoding="utf-8",
        )
        self.services: dict[str, Service] = {}
        self.metrics: dict[str, int] = {}
        for number in range(count):
            self._add(common, "conductor", number, {})
        for number in range(count):
            self._add(common, "api", number, {"api": {"port": api[number]}})
            self._add(common, "wamp-agent", number, {"wamp_agent": {"port": boards[number]}})
        self.control_port = free_ports()[0]
        own_ports = {"port": content, "control_port": self.control_port}
        self._add(common, "gateway", 0, {"gateway": own_ports})
        self.nginx = Nginx(
            folder / "nginx",
            {
                "iotronic_api": api,
                "iotronic_pings": [self.control_port],
                "iotronic_content": [content],
                "iotronic_boards": boards[:count],
            },
            public,
        )

    @property
    def token(self) -> str:
        """The administrator's token, in the folder of the conductor that came first."""
        for path in sorted(self.folder.glob("conductor-*/openrc")):
            for line in path.read_text(encoding="utf-8").splitlines():
                name, _, value = line.removeprefix("export ").partition("=")
                if name == "OS_AUTH_TOKEN":
                    return shlex.split(value)[0]
        raise AssertionError("no conductor has written openrc")

    def start(self) -> None:
        """Start everything and wait until all are ready."""
        conductors = [s for name, s in self.services.items() if name.startswith("conductor")]
        others = [s for name, s in self.services.items() if not name.startswith("conductor")]
        for group in (conductors, others):
            for service in group:
                service.start()
            for service in group:
                service.wait_ready()
        if self.proxied:
            self.nginx.start()
        wait_for("the API answers", self._answers)

    def stop(self) -> list[str]:
        """End it and its boards; return the command lines that had to be killed."""
        for processes in self._boards.values():
            processes.stop()
        slow = []
        for service in self.services.values():
            took = service.terminate()
            if took > END_LIMIT_S:
                slow.append(f"{service.name} took {took:.1f} s to end")
        self.nginx.kill()
        left = processes_of(str(self.folder))
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return [*slow, *left.values()]

    @staticmethod
    def pids_in(folder: Path, part: str) -> list[int]:
        """Return the pids of what has to do with a folder, by words of its command line."""
        return [pid for pid, line in processes_of(str(folder)).items() if part in line]

    def strike(self, name: str) -> None:
        """Kill one process with SIGKILL and start it again; do not wait for it."""
        if name == "nginx":
            self.nginx.kill()
            self.nginx.start()
            return
        self.services[name].kill()
        self.services[name].start()

    def _add(self, common: Path, kind: str, number: int, sections: Sections) -> None:
        name = f"{kind}-{number}"
        own = self.folder / f"{name}.conf"
        self.metrics[name] = free_ports()[0]
        state = {
            "cloud": {"state_dir": self.folder / name},
            "metrics": {"port": self.metrics[name]},
        }
        own.write_text(written({**state, **sections}), encoding="utf-8")
        self.services[name] = Service(self.folder, name, f"iotronic-mec-{kind}", [common, own])

    def _answers(self) -> bool:
        with contextlib.suppress(Exception):
            return list(self.client.boards.iterate(limit=1)) == []
        return False


@contextmanager
def running(folder: Path, count: int) -> Iterator[Cluster]:
    """Give a cluster with a database and a virtual host of its own; end it after."""
    database = engines.create("postgresql")
    try:
        with virtual_host() as broker:
            cluster = Cluster(folder, database, broker, count)
            try:
                cluster.start()
                yield cluster
            finally:
                left = cluster.stop()
    finally:
        engines.drop(database)
    assert left == [], f"processes that did not end in time: {left}"


__all__ = ["LIMIT_S", "Cluster", "Service", "running"]
