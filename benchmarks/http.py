"""A thin HTTP client: one kept connection, no parsing beyond the length."""

from __future__ import annotations

import socket
import time


class ThinClient:
    """Sends one request again and again and times the answers.

    :param host: of the control origin
    """

    def __init__(self, host: str, port: int) -> None:
        self._connection = socket.create_connection((host, port), timeout=30)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = f"{host}:{port}"

    def request(self, method: str, path: str, token: str, body: bytes = b"") -> bytes:
        """Return the bytes of a request."""
        head = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self._host}",
            f"X-Auth-Token: {token}",
            "Accept: application/json",
        ]
        if body:
            head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return "\r\n".join([*head, "", ""]).encode() + body

    def timed(self, request: bytes) -> tuple[float, int, bytes]:
        """Send it; return milliseconds, status and body."""
        since = time.perf_counter()
        self._connection.sendall(request)
        received = self._connection.recv(65_536)
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, body = received.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        length = next(int(x.split(b":")[1]) for x in lines if x[:15].lower() == b"content-length:")
        while len(body) < length:
            body += self._more()
        took = (time.perf_counter() - since) * 1000
        return took, int(lines[0].split(b" ")[1]), body

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _more(self) -> bytes:
        more = self._connection.recv(65_536)
        if not more:
            raise RuntimeError("the server closed the connection")
        return more
