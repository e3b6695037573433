"""A request's WSGI environment, as it crosses to the core.

Headers that say who the client is are taken from trusted proxies only; headers
about the connection stay on it. Source: PEP 3333; RFC 9110 section 7.6.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"expect",
        # would become HTTP_PROXY, which programs take for their own setting
        b"proxy",
    }
)

_CLIENT = frozenset({b"forwarded", b"x-real-ip"})
_CLIENT_PREFIX = b"x-forwarded-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What all requests of one listener share.

    ``trusted_proxies`` are addresses whose ``X-Forwarded-*`` are believed; with
    ``behind_proxy`` every peer's are, since none but the proxy reaches the listener.
    """

    scheme: str = "http"
    name: str = "localhost"
    port: int = 1288
    trusted_proxies: frozenset[str] = frozenset()
    behind_proxy: bool = False


def split_target(target: bytes) -> tuple[bytes, bytes]:
    """Return path and query of a request's target; an absolute one is shortened.

    >>> split_target(b"http://host/v1/boards?limit=1")
    (b'/v1/boards', b'limit=1')
    """
    path, _, query = target.partition(b"?")
    if not path.startswith(b"/"):
        _, mark, rest = path.partition(b"://")
        path = b"/" + rest.partition(b"/")[2] if mark else path
    return path, query


def build(
    origin: Origin,
    method: bytes,
    target: bytes,
    peer: str,
    length: int,
    headers: Iterable[tuple[bytes, Sequence[bytes]]],
) -> dict[str, str]:
    """Build the environment of one request.

    :param peer: address of the other end of the connection
    :param length: bytes of the body, received whole
    :param headers: names with their values
    """
    path, query = split_target(target)
    environ = {
        "REQUEST_METHOD": method.decode("latin-1"),
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "SERVER_NAME": origin.name,
        "SERVER_PORT": str(origin.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": peer,
        "wsgi.url_scheme": origin.scheme,
    }
    if length:
        environ["CONTENT_LENGTH"] = str(length)
    trusted = origin.behind_proxy or peer in origin.trusted_proxies
    for name, values in headers:
        key = _KEYS.get(name) or _key(name)
        if key is None:
            continue
        if not trusted and (key in _CLIENT_KEYS or key.startswith(_CLIENT_KEY)):
            continue
        joint = b"; " if key == "HTTP_COOKIE" else b", "
        environ[key] = (values[0] if len(values) == 1 else joint.join(values)).decode("latin-1")
    return environ


def _key(name: bytes) -> str | None:
    """Return the WSGI key of a header; ``None`` when it is not passed on."""
    lower = name.lower()
    # an underscore would become the same key as a dash: a way around the filter
    if lower in _HOP or b"_" in lower or lower == b"content-length":
        return None
    if lower == b"content-type":
        return "CONTENT_TYPE"
    return "HTTP_" + lower.decode("latin-1").upper().replace("-", "_")


_CLIENT_KEY = _key(_CLIENT_PREFIX) or ""
_CLIENT_KEYS = frozenset(_key(name) or "" for name in _CLIENT)
_KEYS = {
    name: _key(name)
    for name in (b"Host", b"Accept", b"User-Agent", b"Content-Type", b"X-Auth-Token")
}
