"""What of a request crosses to the core."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotronic_mec.gateway.environ import Origin, build, split_target

PROXY = "10.0.0.1"
ORIGIN = Origin(port=1288, trusted_proxies=frozenset({PROXY}))


def environ_of(
    *headers: tuple[bytes, bytes], target: bytes = b"/", peer: str = "127.0.0.1"
) -> dict[str, str]:
    """Build the environment of a request with these headers."""
    return build(ORIGIN, b"GET", target, peer, 0, [(name, [value]) for name, value in headers])


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/v1/boards?limit=1&a=b?c", "/v1/boards", "limit=1&a=b?c"),
        (b"/v1/b%C3%A9%2Fx", "/v1/b\xc3\xa9/x", ""),
        (b"http://other/v1", "/v1", ""),
        (b"http://other", "/", ""),
        (b"*", "*", ""),
    ],
)
def test_the_target_becomes_path_and_query(target: bytes, path: str, query: str) -> None:
    """Unquoted as WSGI wants it."""
    environ = environ_of(target=target)

    assert (environ["PATH_INFO"], environ["QUERY_STRING"]) == (path, query)


@given(st.binary(max_size=60))
def test_any_target_can_be_split(target: bytes) -> None:
    """A client may send what it likes."""
    path, query = split_target(target)

    assert isinstance(path, bytes)
    assert isinstance(query, bytes)


@pytest.mark.parametrize(
    "name",
    [
        b"Connection",
        b"TE",
        b"Transfer-Encoding",
        b"Upgrade",
        b"Proxy",
        b"Proxy-Authorization",
        b"Expect",
        b"X_Auth_Token",
        b"Content-Length",
    ],
)
def test_headers_of_the_connection_stay_on_it(name: bytes) -> None:
    """And those that would pass for another after translation."""
    plain = environ_of()

    assert environ_of((name, b"x")) == plain


@pytest.mark.parametrize(
    "name", [b"X-Forwarded-For", b"X-Forwarded-Proto", b"Forwarded", b"X-Real-IP"]
)
def test_who_the_client_is_may_be_said_by_trusted_proxies_only(name: bytes) -> None:
    """A stranger's claim is dropped, a trusted proxy's passed on."""
    key = "HTTP_" + name.decode().upper().replace("-", "_")

    assert key not in environ_of((name, b"1.2.3.4"))

    assert environ_of((name, b"1.2.3.4"), peer=PROXY)[key] == "1.2.3.4"


def test_every_peer_of_a_hidden_listener_is_the_proxy() -> None:
    """Where none but the proxy reaches it, what any peer says of the client is passed on."""
    hidden = Origin(port=1291, behind_proxy=True)
    headers = [(b"X-Forwarded-For", [b"1.2.3.4"])]

    environ = build(hidden, b"GET", b"/", "10.9.9.9", 0, headers)

    assert environ["HTTP_X_FORWARDED_FOR"] == "1.2.3.4"


def test_repeated_headers_are_joined() -> None:
    """Cookies by a semicolon, the others by a comma."""
    headers = [(b"Accept", [b"a", b"b"]), (b"Cookie", [b"c=1", b"d=2"])]

    environ = build(ORIGIN, b"GET", b"/", "127.0.0.1", 0, headers)

    assert environ["HTTP_ACCEPT"] == "a, b"
    assert environ["HTTP_COOKIE"] == "c=1; d=2"


def test_the_length_is_what_was_received() -> None:
    """A chunked body has one too by now."""
    environ = build(ORIGIN, b"POST", b"/", "::1", 7, [(b"Content-Type", [b"text/plain"])])

    assert environ["CONTENT_LENGTH"] == "7"
    assert environ["CONTENT_TYPE"] == "text/plain"
    assert environ["REMOTE_ADDR"] == "::1"
