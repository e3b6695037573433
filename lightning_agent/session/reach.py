"""Try to reach a WAMP router, without a reactor: TCP, TLS with its checks, WebSocket.

Source: RFC 6455 section 4.1; nothing of WAMP itself is said, so nothing is logged there.
"""

from __future__ import annotations

import base64
import os
import socket
import ssl
from urllib.parse import urlsplit

from lightning_agent.errors import Error

LIMIT_S = 10.0
"""For each step."""
_ANSWER_BYTES = 4096


class CannotReach(Error):
    """A step failed; ``cure`` says what to do."""

    code = "cannot_reach"

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(message)
        self.cure = cure


def reach(url: str, ca: str | None) -> None:
    """Open a WebSocket for WAMP at this address and close it.

    :param ca: PEM file of the authority to trust, ``None`` for the system's
    :raises CannotReach: some step failed

    Blocks for up to three times :data:`LIMIT_S`.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme == "wss"
    port = parts.port or (443 if secure else 80)
    try:
        connection = socket.create_connection((host, port), timeout=LIMIT_S)
    except OSError as error:
        raise CannotReach(
            f"no connection: {error}", "check the address, the network, and that the cloud runs"
        ) from error
    with connection:
        if not secure:
            _open(connection, host, port, parts.path)
            return
        try:
            with _context(ca).wrap_socket(connection, server_hostname=host) as encrypted:
                _open(encrypted, host, port, parts.path)
        except ssl.SSLError as error:
            raise CannotReach(
                f"TLS: {error.reason or error}",
                "give the cloud's authority as ca in agent.toml, and check the address's name",
            ) from error


def _context(ca: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise CannotReach(f"{ca} cannot be used: {error}", "mend ca in agent.toml") from error


def _open(connection: socket.socket, host: str, port: int, path: str) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    lines = (
        f"GET {path or '/'} HTTP/1.1",
        f"Host: {host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: wamp.2.msgpack,wamp.2.cbor",
    )
    try:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("ascii", "replace"))
        answer = connection.recv(_ANSWER_BYTES)
    except OSError as error:
        raise CannotReach(
            f"no answer: {error}", "check that the address is the cloud's"
        ) from error
    status = answer.split(b"\r\n", 1)[0].decode("ascii", "replace")
    if " 101 " not in f"{status} ":
        raise CannotReach(
            f"no WAMP router there ({status[:80] or 'connection closed'})",
            "check the address; its path is usually /ws",
        )
