"""The listener of a process with a reactor that Prometheus reads."""

from __future__ import annotations

from twisted.internet.testing import MemoryReactorClock, StringTransport

from iotronic_mec.gateway.scrape import ScrapeSite


async def give(method: str, path: str, sent: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """Answer with what was asked."""
    if path == "/broken":
        raise ZeroDivisionError("secret")
    return 200, [("Content-Type", "text/plain")], f"{method} {path} {sent}".encode()


def ask(request: bytes) -> bytes:
    """Send bytes to a new listener and return what came back."""
    site = ScrapeSite(MemoryReactorClock(), give)  # type: ignore[arg-type]
    wire, channel = StringTransport(), site.buildProtocol(None)
    channel.makeConnection(wire)
    channel.dataReceived(request)
    return wire.value()


def test_an_answer() -> None:
    """Method, path without query and credentials are handed over; the answer is sent."""
    wire = ask(b"GET /metrics?x=1 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer t\r\n\r\n")

    assert wire.startswith(b"HTTP/1.1 200 OK\r\n")
    assert wire.endswith(b"\r\n\r\nGET /metrics Bearer t")


def test_a_mistake_is_a_500() -> None:
    """What breaks is an error that tells nothing."""
    wire = ask(b"GET /broken HTTP/1.1\r\nHost: h\r\n\r\n")

    assert wire.startswith(b"HTTP/1.1 500 ")
    assert b"secret" not in wire


def test_no_large_bodies() -> None:
    """A body is refused by its length."""
    wire = ask(b"POST /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000)

    assert wire.startswith(b"HTTP/1.1 413 ")
