"""One HTTP request to an address a tenant named: looked up once, pinned, bounded.

Used by the cloud (``iotronic_mec.egress``) and on the board (``device.rest``),
so that there is one wall to test. Blocking; any thread.

Built on the standard library's ``http.client`` and not on a client with pools
and sessions: it connects where we say, reads no proxy from the environment,
follows nothing, repeats nothing, and its socket can be shut at the deadline, so
that not even a peer that sends one byte a second holds a thread longer.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urljoin

from lightning_agent.protocol.addresses import (
    AddressPolicy,
    AddressRefused,
    Url,
    decide,
    parse_url,
)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

MAX_HEADERS = 64
"""Most headers of a request."""

MAX_HEADER = 8192
"""Longest value of a header, characters."""

LOOKUPS = threading.BoundedSemaphore(32)
"""Look-ups under way in this process; a slow name server holds no more threads."""

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OURS = frozenset(
    "host content-length transfer-encoding connection upgrade te trailer expect"
    " proxy-authorization proxy-connection keep-alive".split()
)
"""Headers that say how the message is sent, which is not the tenant's to say."""
_OF_THE_ORIGIN = frozenset({"authorization", "cookie"})
_REDIRECTS = (301, 302, 303, 307, 308)

Lookup = Callable[[str, int], Sequence[str]]
"""Returns the addresses of a host; raises ``OSError`` when it has none."""


class OutboundFailed(Exception):
    """No answer came: not reachable, broken off, or not HTTP."""


class OutboundTimeout(OutboundFailed):
    """No whole answer came in time."""


class AnswerTooLarge(OutboundFailed):
    """The answer is over the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one request with its redirects.

    :param total_s: seconds for all of it, look-up included, > 0
    :param connect_s: seconds for one connection, TLS included
    :param answer_bytes: longest body that is taken
    :param redirects: how many may be followed, for GET and HEAD; each is checked
        like the first address. 0: the redirect itself is the answer
    """

    total_s: float = 15.0
    connect_s: float = 5.0
    answer_bytes: int = 1_048_576
    redirects: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request; ``verify`` false accepts any certificate (lists say so)."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, with the address it really came from."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    address: str
    url: str


def check_headers(headers: Mapping[str, str]) -> None:
    """Refuse headers that could change how the message is read.

    :raises AddressRefused: names the header and the rule
    """
    if len(headers) > MAX_HEADERS:
        raise AddressRefused(f"headers: at most {MAX_HEADERS} are allowed")
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise AddressRefused(f"headers: {name[:40]!r} is no name of a header")
        if name.lower() in _OURS:
            raise AddressRefused(f"headers: {name} is set by the sender itself")
        if len(value) > MAX_HEADER or not _VALUE.fullmatch(value):
            raise AddressRefused(
                f"headers: the value of {name} must be at most {MAX_HEADER} printable characters"
            )


def system_lookup(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver; without a limit of its own, see :func:`resolve`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def resolve(host: str, port: int, limit_s: float, lookup: Lookup = system_lookup) -> Sequence[str]:
    """Look a host up, once, within a time limit.

    The resolver itself cannot be interrupted: at the limit its thread is left
    to end by itself, and :data:`LOOKUPS` bounds how many there are.

    :raises OutboundFailed: there is no such host
    :raises OutboundTimeout: no answer in time, or too many look-ups are under way
    """
    gate, done = LOOKUPS, threading.Event()
    found: list[Sequence[str]] = []
    failed: list[OSError | UnicodeError] = []

    def work() -> None:
        try:
            found.append(lookup(host, port))
        except (OSError, UnicodeError) as error:
            failed.append(error)
        finally:
            gate.release()
            done.set()

    started = time.monotonic()
    if not gate.acquire(timeout=max(limit_s, 0)):
        raise OutboundTimeout(f"{host}: too many names are being looked up")
    threading.Thread(target=work, name="lookup", daemon=True).start()
    if not done.wait(max(limit_s - (time.monotonic() - started), 0)):
        raise OutboundTimeout(f"{host}: the name was not looked up within {limit_s:g} s")
    if failed:
        raise OutboundFailed(f"{host}: the name could not be looked up") from failed[0]
    return found[0]


class Outbound:
    """Sends requests within a policy.

    :param policy: where they may lead
    :param trust: TLS authorities; ``None`` for the system's
    :param lookup: the resolver; tests give one
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        trust: ssl.SSLContext | None = None,
        lookup: Lookup = system_lookup,
    ) -> None:
        self._policy = policy
        self._trust = trust
        self._lookup = lookup

    def locate(self, url: Url, limit_s: float) -> str:
        """Return the one address to connect to.

        :raises AddressRefused: it leads where it may not
        """
        return decide(url, resolve(url.host, url.port, limit_s, self._lookup), self._policy)

    def send(self, ask: Ask, limits: Limits | None = None) -> Reply:
        """Send a request; blocks up to ``limits.total_s``.

        :raises AddressRefused: the URL, a header or the address is not allowed
        :raises OutboundTimeout: it took too long
        :raises AnswerTooLarge: the body is over the limit
        :raises OutboundFailed: no answer came
        """
        limits = limits or Limits()
        until = time.monotonic() + limits.total_s
        if ask.method not in METHODS:
            raise AddressRefused(f"method: one of {', '.join(METHODS)} is expected")
        check_headers(ask.headers)
        url, headers = parse_url(ask.url), dict(ask.headers)
        for left in range(limits.redirects, -1, -1):
            address = self.locate(url, until - time.monotonic())
            reply = self._exchange(ask, headers, url, address, limits, until)
            onward = {k.lower(): v for k, v in reply.headers}.get("location")
            follow = left and ask.method in ("GET", "HEAD") and onward
            if reply.status not in _REDIRECTS or not follow:
                return reply
            further = parse_url(urljoin(str(url), onward))
            if further.scheme == "http" and url.scheme == "https":
                raise AddressRefused("a redirect from https to http is not followed")
            if further.origin != url.origin:
                headers = {k: v for k, v in headers.items() if k.lower() not in _OF_THE_ORIGIN}
            url = further
        raise AssertionError("the last round returns")

    def _exchange(
        self,
        ask: Ask,
        headers: Mapping[str, str],
        url: Url,
        address: str,
        limits: Limits,
        until: float,
    ) -> Reply:
        left_s = until - time.monotonic()
        if left_s <= 0:
            raise OutboundTimeout(f"{url.host}: the time was up")
        connection = http.client.HTTPConnection(url.host, url.port)
        late = threading.Event()
        held: list[socket.socket] = []

        def cut() -> None:
            late.set()
            for each in held:
                _shut(each)

        timer = threading.Timer(left_s, cut)
        timer.daemon = True
        timer.start()
        try:
            plain = socket.create_connection((address, url.port), min(limits.connect_s, left_s))
            held.append(plain)
            connection.sock = self._secured(plain, url, verify=ask.verify)
            held.append(connection.sock)
            connection.sock.settimeout(max(until - time.monotonic(), 0.001))
            connection.putrequest(
                ask.method, url.target, skip_host=True, skip_accept_encoding=True
            )
            for name, value in _whole(headers, ask.body, url, ask.method).items():
                connection.putheader(name, value.encode("latin-1"))
            connection.endheaders(ask.body)
            reply = _read(connection.getresponse(), ask, url, address, limits)
            if late.is_set():
                # what was cut off at the deadline looks like an end to the client
                raise TimeoutError
            return reply
        except (OSError, http.client.HTTPException, ValueError) as error:
            if late.is_set() or isinstance(error, TimeoutError):
                raise OutboundTimeout(f"{url.host}: no whole answer in time") from error
            raise OutboundFailed(f"{url.host}: {_words(error)}") from error
        finally:
            timer.cancel()
            connection.close()
            for each in held:
                each.close()

    def _secured(self, plain: socket.socket, url: Url, *, verify: bool) -> socket.socket:
        if url.scheme == "http":
            return plain
        context = self._trust or ssl.create_default_context()
        if not verify:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        # the name of the URL, although the address is pinned
        return context.wrap_socket(plain, server_hostname=url.host)


def _whole(
    headers: Mapping[str, str], body: bytes | None, url: Url, method: str
) -> dict[str, str]:
    whole = {"Host": url.authority, "Accept-Encoding": "identity", **headers}
    if body is not None or method in ("POST", "PUT", "PATCH"):
        whole["Content-Length"] = str(len(body or b""))
    whole["Connection"] = "close"
    return whole


def _read(
    response: http.client.HTTPResponse, ask: Ask, url: Url, address: str, limits: Limits
) -> Reply:
    body = b"" if ask.method == "HEAD" else response.read(limits.answer_bytes + 1)
    if len(body) > limits.answer_bytes:
        raise AnswerTooLarge(f"{url.host}: the answer has more than {limits.answer_bytes} bytes")
    if response.length:
        # http.client says nothing of a body that ends before its Content-Length
        raise OutboundFailed(f"{url.host}: the answer ended {response.length} bytes too early")
    return Reply(
        status=response.status,
        headers=tuple(response.getheaders()),
        body=body,
        address=address,
        url=str(url),
    )


def _shut(plain: socket.socket) -> None:
    try:
        plain.shutdown(socket.SHUT_RDWR)
    except OSError:
        plain.close()


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
