"""The wall between tenants and the inside, attacked; each attack works without it."""

from __future__ import annotations

import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from iotronic_mec.egress import (
    Ask,
    Egress,
    EgressFailed,
    EgressRefused,
    EgressTimeout,
    EgressTooLarge,
    Limits,
    check_url,
)
from lightning_agent.protocol import outbound
from tests.fakes.web import Web, dripping, says, serving

SECRET = b"the secret of the inside"
OUTSIDE = "127.0.0.2"
"""Stands in for the public internet: the tests' policy allows it and nothing else."""
QUICK = Limits(total_s=5.0, connect_s=2.0, answer_bytes=1000)


class Names:
    """A resolver whose answers change with each question."""

    def __init__(self, **answers: list[Sequence[str]]) -> None:
        self.answers = {name.replace("_", "."): given for name, given in answers.items()}
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        """Answer; the last answer stays."""
        self.asked.append(host)
        given = self.answers.get(host)
        if given is None:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return given.pop(0) if len(given) > 1 else given[0]


def egress(names: Names | None = None, **more: Any) -> Egress:
    """Return the wall, with the outside open."""
    lookup = names or (lambda host, port: [host])
    return Egress([f"{OUTSIDE}/32"], lookup=lookup, **more)


@pytest.fixture
def inside() -> Iterator[Web]:
    """Run what must not be reached."""
    with serving("127.0.0.1", secret=says(SECRET)) as web:
        yield web


@pytest.fixture
def outside(inside: Web) -> Iterator[Web]:
    """Run what may be reached, on the port of the inside, full of ways in."""
    inward = f"http://127.0.0.1:{inside.port}/secret"
    answers = {
        "secret": says(b"nothing here"),
        "inward": says(b"", 302, Location=inward),
        "again": says(b"", 302, Location="/secret"),
        "loop": says(b"", 302, Location="/loop"),
        "named": says(b"", 307, Location=f"http://other.example:{inside.port}/secret"),
        "file": says(b"", 302, Location="file:///etc/passwd"),
        "large": says(b"x" * 1001),
    }
    with serving(OUTSIDE, inside.port, **answers) as web:
        yield web


def test_the_outside_is_reached(outside: Web) -> None:
    """The positive control: what is allowed works, as sent."""
    reply = egress().send(
        Ask(
            method="POST",
            url=f"http://{OUTSIDE}:{outside.port}/secret?a=b",
            headers={"X-Own": "1"},
            body=b"hello",
        ),
        QUICK,
    )

    assert (reply.status, reply.body, reply.address) == (200, b"nothing here", OUTSIDE)
    [(method, path, headers, body)] = outside.asked
    assert (method, path, body) == ("POST", "/secret?a=b", b"hello")
    assert headers["Host"] == f"{OUTSIDE}:{outside.port}"
    assert (headers["X-Own"], headers["Content-Length"]) == ("1", "5")


def test_rebinding_reaches_the_inside_without_the_wall(
    inside: Web, outside: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack: checked while the name leads outside, connected once it leads inside."""
    names = Names(attacker_example=[[OUTSIDE], ["127.0.0.1"]])
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        return real(names(str(host), 0)[0], port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    url = f"http://attacker.example:{inside.port}/secret"

    Egress([f"{OUTSIDE}/32"]).decide(url)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url) as answer:
        stolen = answer.read()

    assert stolen == SECRET
    assert len(names.asked) == 2


def test_rebinding_meets_the_wall(inside: Web, outside: Web) -> None:
    """The name is looked up once and its address pinned: the second answer never counts."""
    names = Names(attacker_example=[[OUTSIDE], ["127.0.0.1"]])

    reply = egress(names).send(
        Ask(method="GET", url=f"http://attacker.example:{inside.port}/secret"), QUICK
    )

    assert reply.body == b"nothing here"
    assert names.asked == ["attacker.example"]
    assert inside.asked == []


def test_rebinding_the_other_way_is_refused(inside: Web) -> None:
    """A name that leads inside when it is looked up is refused, and nothing is sent."""
    names = Names(attacker_example=[["127.0.0.1"], [OUTSIDE]])

    with pytest.raises(EgressRefused, match=r"url: attacker\.example leads to a refused"):
        egress(names).send(
            Ask(method="GET", url=f"http://attacker.example:{inside.port}/secret"), QUICK
        )
    assert inside.asked == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "localhost", "169.254.169.254", "[::]"]
)
def test_the_inside_by_address_is_refused(inside: Web, host: str) -> None:
    """However it is written, by the system's own resolver."""
    with pytest.raises(EgressRefused) as refused:
        Egress([f"{OUTSIDE}/32"]).send(
            Ask(method="GET", url=f"http://{host}:{inside.port}/secret"), QUICK
        )

    assert refused.value.details == {"field": "url"}
    assert inside.asked == []


def test_a_redirect_is_the_answer(outside: Web, inside: Web) -> None:
    """Nothing is followed unless asked for."""
    reply = egress().send(Ask(method="GET", url=f"http://{OUTSIDE}:{outside.port}/inward"), QUICK)

    assert reply.status == 302
    assert inside.asked == []


def follow(path: str, port: int, names: Names | None = None, **headers: str) -> Any:
    """Ask with redirects allowed."""
    limits = Limits(total_s=5.0, connect_s=2.0, answer_bytes=1000, redirects=3)
    url = f"http://{OUTSIDE}:{port}/{path}"
    return egress(names).send(Ask(method="GET", url=url, headers=headers), limits)


def test_redirects_reach_the_inside_without_the_wall(inside: Web, outside: Web) -> None:
    """The attack works on a client that follows by itself."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    with opener.open(f"http://{OUTSIDE}:{outside.port}/inward") as answer:
        assert answer.read() == SECRET


def test_redirects_are_checked_like_the_first_address(inside: Web, outside: Web) -> None:
    """A redirect outside is followed, one inside or to a file is refused."""
    assert follow("again", outside.port).body == b"nothing here"
    for path in ("inward", "file"):
        with pytest.raises(EgressRefused):
            follow(path, outside.port)
    assert inside.asked == []


def test_redirects_are_bounded(outside: Web) -> None:
    """A loop ends with the last redirect as the answer."""
    assert follow("loop", outside.port).status == 302
    assert len(outside.asked) == 4


def test_credentials_stay_with_their_origin(outside: Web) -> None:
    """Another host gets neither Authorization nor cookies; other headers go on."""
    names = Names(**{"other_example": [[OUTSIDE]], "127_0_0_2": [[OUTSIDE]]})

    follow("named", outside.port, names, Authorization="Bearer t", Cookie="c=1", Accept="x/y")

    first, second = (headers for _, _, headers, _ in outside.asked)
    assert (first["Authorization"], first["Cookie"]) == ("Bearer t", "c=1")
    assert "Authorization" not in second and "Cookie" not in second
    assert second["Accept"] == "x/y"


def test_large_answers_are_cut(outside: Web) -> None:
    """An answer over the limit is an error, not memory."""
    with pytest.raises(EgressTooLarge, match="more than 1000 bytes"):
        egress().send(Ask(method="GET", url=f"http://{OUTSIDE}:{outside.port}/large"), QUICK)


def test_a_dripping_peer_is_cut_off() -> None:
    """A byte now and then keeps no thread: the whole request has its time."""
    with dripping() as port:
        began = time.monotonic()
        with pytest.raises(EgressTimeout):
            Egress(["127.0.0.1/32"]).send(
                Ask(method="GET", url=f"http://127.0.0.1:{port}/"),
                Limits(total_s=0.4, connect_s=0.3),
            )

    assert time.monotonic() - began < 3


def promises(length: int) -> Callable[[Any], None]:
    """Return what says a length, sends three bytes and ends."""

    def answer(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(b"abc")
        handler.close_connection = True

    return answer


def test_half_an_answer_is_none() -> None:
    """A peer that ends before the length it gave: an error, not a shorter answer."""
    with serving(OUTSIDE, whole=promises(3), half=promises(5)) as web:
        at = f"http://{OUTSIDE}:{web.port}"
        assert egress().send(Ask(method="GET", url=f"{at}/whole"), QUICK).body == b"abc"
        with pytest.raises(EgressFailed, match="2 bytes too early"):
            egress().send(Ask(method="GET", url=f"{at}/half"), QUICK)


def test_a_body_that_takes_too_long_is_none() -> None:
    """A body without a length that is cut off at the deadline is no answer either."""
    over = threading.Event()

    def drip(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not over.wait(0.02):
            handler.wfile.write(b"x")
            handler.wfile.flush()
        handler.close_connection = True

    with serving(OUTSIDE, drip=drip) as web:
        with pytest.raises(EgressTimeout):
            egress().send(
                Ask(method="GET", url=f"http://{OUTSIDE}:{web.port}/drip"),
                Limits(total_s=0.4, connect_s=0.3),
            )
        over.set()


def test_a_slow_resolver_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up that hangs ends at the limit, and so many hold no more threads."""
    monkeypatch.setattr(outbound, "LOOKUPS", threading.BoundedSemaphore(1))
    release = threading.Event()

    def hang(host: str, port: int) -> Sequence[str]:
        release.wait(10)
        return ["8.8.8.8"]

    slow = Egress(lookup=hang)
    for expected in ("was not looked up within", "too many names"):
        with pytest.raises(EgressTimeout, match=expected):
            slow.decide("http://slow.example/", limit_s=0.1)
    release.set()


def test_unknown_and_closed_are_told() -> None:
    """What is not there is an error of its own, not a refusal."""
    with socket.create_server((OUTSIDE, 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(EgressFailed, match="could not be looked up"):
        egress(Names()).decide("http://nowhere.example/")
    with pytest.raises(EgressFailed, match=OUTSIDE):
        egress().send(Ask(method="GET", url=f"http://{OUTSIDE}:{port}/"), QUICK)


def test_tls_is_checked_against_the_name(tmp_path: Path) -> None:
    """The address is pinned, the certificate must be the host name's all the same."""
    web = Web(OUTSIDE, 0, {"/": says(b"safe")})
    trust = web.secure(tmp_path, "right.example")
    web.start()
    names = Names(right_example=[[OUTSIDE]], wrong_example=[[OUTSIDE]])
    wall = egress(names, trust=trust)
    try:
        good = wall.send(Ask(method="GET", url=f"https://right.example:{web.port}/"), QUICK)
        with pytest.raises(EgressFailed, match="certificate is not valid"):
            wall.send(Ask(method="GET", url=f"https://wrong.example:{web.port}/"), QUICK)
        with pytest.raises(EgressFailed, match="certificate is not valid"):
            egress(names).send(Ask(method="GET", url=f"https://right.example:{web.port}/"), QUICK)
    finally:
        web.close()

    assert good.body == b"safe"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Host", "inside"),
        ("transfer-encoding", "chunked"),
        ("Content-Length", "0"),
        ("X\r\nHost", "inside"),
        ("X", "a\r\nHost: inside"),
        ("X", "a\nb"),
        ("X", "\u20ac"),
        ("X", "a" * 8193),
        ("", "x"),
    ],
)
def test_headers_cannot_change_the_message(outside: Web, name: str, value: str) -> None:
    """Headers of the message itself, and line breaks, are refused before anything is sent."""
    with pytest.raises(EgressRefused, match="headers"):
        egress().send(
            Ask(
                method="GET",
                url=f"http://{OUTSIDE}:{outside.port}/secret",
                headers={name: value},
            ),
            QUICK,
        )
    assert outside.asked == []


def test_proxies_of_the_environment_are_not_used(
    outside: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy in the environment would look the name up itself."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")

    reply = egress().send(Ask(method="GET", url=f"http://{OUTSIDE}:{outside.port}/secret"), QUICK)

    assert reply.status == 200


def test_methods_are_named() -> None:
    """An unknown method is refused."""
    with pytest.raises(EgressRefused, match="method"):
        egress().send(Ask(method="CONNECT", url="http://a.example/"), QUICK)


def test_urls_can_be_checked_alone() -> None:
    """Whoever passes a URL on checks its form, and the field is named."""
    assert check_url("http://10.0.0.1/").host == "10.0.0.1"
    with pytest.raises(EgressRefused, match="callback: the scheme"):
        check_url("ftp://a.example/", field="callback")


def test_wrong_networks_are_refused() -> None:
    """An operator's mistake is told at the start."""
    with pytest.raises(ValueError, match="host bits"):
        Egress(["10.0.0.1/8"])
