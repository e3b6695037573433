"""What ``iotronic-mec standalone`` is asked for, and whether it can be had."""

from __future__ import annotations

import argparse
import errno
import ipaddress
import os
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from iotronic_mec.cmd.state_dir import StateDir


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for; ports 1..65535."""

    state_dir: StateDir
    host: str
    public_host: str
    port: int
    content_port: int
    wamp_port: int
    certificate: Path | None
    key: Path | None
    trusted_proxies: frozenset[str]
    with_agent: bool

    @property
    def public_url(self) -> str:
        """Address of the control origin."""
        return self._url("http", self.port)

    @property
    def content_url(self) -> str:
        """Address of the content origin."""
        return self._url("http", self.content_port)

    @property
    def wamp_url(self) -> str:
        """Address boards join at."""
        return self._url("ws", self.wamp_port) + "/ws"

    def _url(self, scheme: str, port: int) -> str:
        host = f"[{self.public_host}]" if ":" in self.public_host else self.public_host
        return f"{scheme}{'s' if self.certificate else ''}://{host}:{port}"


class Refused(Exception):
    """It cannot start; the message is one line that says what to do."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="iotronic-mec standalone",
        description="Run the whole cloud: API, conductor, WAMP router, SQLite.",
    )
    add = parser.add_argument
    add("--state-dir", type=Path, required=True, help="folder of everything it keeps")
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--public-host", help="name in the addresses given to clients (default: the host)")
    add("--port", type=_port, default=1288, help="API (default: %(default)s)")
    add("--content-port", type=_port, default=1289, help="blobs (default: %(default)s)")
    add("--wamp-port", type=_port, default=8443, help="boards (default: %(default)s)")
    add("--cert", type=Path, help="certificate chain (PEM) of all three listeners")
    add("--key", type=Path, help="private key (PEM) of the certificate")
    add(
        "--trusted-proxy",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="believe X-Forwarded-* of this address; may be repeated",
    )
    add("--with-agent", action="store_true", help="also run a board on this machine")
    return parser


def build_options(given: argparse.Namespace, folder: StateDir) -> Options:
    """Build the options from parsed arguments."""
    public_host = given.public_host or given.host
    if not given.public_host and public_host in ("0.0.0.0", "::"):  # noqa: S104
        public_host = socket.getfqdn()
    return Options(
        state_dir=folder,
        host=given.host,
        public_host=public_host,
        port=given.port,
        content_port=given.content_port,
        wamp_port=given.wamp_port,
        certificate=given.cert.absolute() if given.cert else None,
        key=given.key.absolute() if given.key else None,
        trusted_proxies=frozenset(given.trusted_proxy),
        with_agent=given.with_agent,
    )


def check_listener(host: str, certificate: Path | None, key: Path | None) -> None:
    """Refuse a listener others can reach without TLS.

    :raises Refused: also when the certificate files are not there
    """
    if (certificate is None) != (key is None):
        raise Refused("--cert and --key belong together")
    for path in (certificate, key):
        if path is not None and not os.access(path, os.R_OK):
            raise Refused(f"{path} cannot be read: name a PEM file")
    if certificate is None and not _is_loopback(host):
        raise Refused(
            f"{host} can be reached from other machines: give --cert and --key "
            "(the local CA comes later), or listen on 127.0.0.1"
        )


def check_agent() -> None:
    """Refuse ``--with-agent`` where an agent could run no plugin.

    :raises Refused: says what to install
    """
    if shutil.which("bwrap") is None:
        raise Refused(
            "--with-agent needs bubblewrap for the plugins' sandboxes: "
            "run 'sudo apt-get install -y bubblewrap', or leave --with-agent out"
        )


def check_ports(options: Options, patience_s: float) -> None:
    """Refuse ports that are taken; wait ``patience_s`` for them.

    :raises Refused: names the port and its option
    """
    wanted = {
        "--port": options.port,
        "--content-port": options.content_port,
        "--wamp-port": options.wamp_port,
    }
    if len(set(wanted.values())) < len(wanted):
        raise Refused("--port, --content-port and --wamp-port must differ")
    until = time.monotonic() + patience_s
    for option, port in wanted.items():
        wait_for_port(options.host, port, option, until - time.monotonic())


def wait_for_port(host: str, port: int, option: str, patience_s: float) -> None:
    """Wait until something can listen on a port.

    :raises Refused: names the port and its option
    """
    until = time.monotonic() + patience_s
    while (problem := port_problem(host, port, option)) is not None:
        if time.monotonic() > until:
            raise Refused(problem)
        time.sleep(0.1)


def port_problem(host: str, port: int, option: str) -> str | None:
    """Say why nothing can listen on a port now, and what to do; ``None`` if it can."""
    reason = _why_not(host, port)
    return reason and f"port {port} on {host} {reason}: choose another {option}"


def _why_not(host: str, port: int) -> str | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            return "needs more rights"
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "is in use"
            raise Refused(
                f"cannot listen on {host}: {error.strerror}; choose another --host"
            ) from error
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError("a port is 1 to 65535")
    return port
