"""The HTTP rim of the fake cloud: bytes in, :class:`Seen`; :class:`Reply`, bytes out."""

from __future__ import annotations

import email
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

REQUEST_ID = "req-00000000-0000-0000-0000-000000000001"
"""What every answer is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One call as it came in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None


class Rim(ThreadingHTTPServer):
    """Listens on a free port of the loopback and asks ``answer`` for each call."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: Callable[[Seen], Reply | None]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_any(self) -> None:
        """Read one call, have it answered, write the answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        assert isinstance(self.server, Rim)
        reply = self.server.answer(
            Seen(
                method=self.command,
                path=url.path,
                query=dict(parse_qsl(url.query)),
                headers=dict(self.headers.items()),
                body=_decoded(self.headers.get("Content-Type", ""), body),
            )
        )
        if reply is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        content = reply.raw
        if content is None:
            content = b"" if reply.status == 204 else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for key, value in reply.headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Openstack-Request-Id", REQUEST_ID)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


def _decoded(kind: str, body: bytes) -> Any:
    if kind.startswith("multipart/form-data"):
        message = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
        parts = (part for part in message.get_payload() if not isinstance(part, str))
        return dict(_field(part) for part in parts)
    return json.loads(body) if body else None


def _field(part: Message) -> tuple[str, str | bytes]:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    name = str(part.get_param("name", header="Content-Disposition"))
    return name, content if part.get_filename() else content.decode()
