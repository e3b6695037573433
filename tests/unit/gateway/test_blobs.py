"""The content origin: tokens, ranges, and what a browser may do with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.testing import MemoryReactorClock
from twisted.web.http import _PullToPush

from iotronic_mec import blob_token
from iotronic_mec.gateway.blobs import BlobSite, parse_range
from tests.unit.gateway.test_site import Wire, body_of

SECRET = b"s" * 32
BOARD = "0d07340a-7862-4681-adc6-d4acaf9a0554"
DATA = bytes(range(256)) * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()


def token(digest: str = DIGEST, board: str = BOARD, expiry: int = 1000) -> str:
    """Return a token as the core makes it."""
    return blob_token.make(SECRET, digest, board, expiry)


class Bench:
    """A content origin with one blob."""

    def __init__(self, folder: Path) -> None:
        path = folder / DIGEST[:2]
        path.mkdir()
        (path / DIGEST).write_bytes(DATA)
        self.boards = {BOARD}
        self.now_s = 500.0
        self.site = BlobSite(
            MemoryReactorClock(),  # type: ignore[arg-type]
            folder,
            SECRET,
            lambda board: board in self.boards,
            lambda: self.now_s,
        )

    def ask(self, path: str = f"/blobs/{DIGEST}", *headers: str, method: str = "GET") -> bytes:
        """Ask and let the whole answer come."""
        wire, channel = Wire(), self.site.buildProtocol(None)
        channel.makeConnection(wire)
        lines = [f"{method} {path} HTTP/1.1", "Host: h", *headers, "", ""]
        channel.dataReceived("\r\n".join(lines).encode())
        while isinstance(channel._requestProducer, _PullToPush):
            channel._requestProducer._producer.resumeProducing()
        return bytes(wire.value())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Give a content origin."""
    yield Bench(tmp_path)


@pytest.mark.parametrize("way", ["header", "query"])
def test_a_token_opens_its_blob(bench: Bench, way: str) -> None:
    """By either way."""
    query = f"?token={token()}" if way == "query" else ""
    headers = [f"Authorization: Bearer {token()}"] if way == "header" else []

    answer = bench.ask(f"/blobs/{DIGEST}{query}", *headers)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert body_of(answer) == DATA


@pytest.mark.parametrize(
    "given_token",
    [
        "",
        "x",
        token(digest="ab" * 32),
        token(expiry=400),
        token().replace("1000", "2000"),
        token()[:-1] + "x",
        token(board="791ddb2f-f150-452d-9760-9d64763e0ca0"),
    ],
)
def test_another_token_opens_nothing(bench: Bench, given_token: str) -> None:
    """Of another blob, expired, changed, or of a board that is gone."""
    answer = bench.ask(f"/blobs/{DIGEST}", f"Authorization: Bearer {given_token}")

    assert answer.startswith(b"HTTP/1.1 403 ")


def test_a_range_is_cut_out(bench: Bench) -> None:
    """With its place in the whole."""
    answer = bench.ask(
        f"/blobs/{DIGEST}", f"Authorization: Bearer {token()}", "Range: bytes=10-99999"
    )

    assert answer.startswith(b"HTTP/1.1 206 ")
    assert f"Content-Range: bytes 10-99999/{len(DATA)}".encode() in answer
    assert body_of(answer) == DATA[10:100_000]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=5-", (5, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=2-99", (2, 10)),
        ("bytes=0-1,3-4", None),
        ("items=0-1", None),
        ("bytes=-", None),
    ],
)
def test_ranges_of_ten_bytes(header: str | None, expected: tuple[int, int] | None) -> None:
    """What is not understood means the whole."""
    assert parse_range(header, 10) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=5-4"])
def test_a_range_outside_is_refused(bench: Bench, header: str) -> None:
    """416 says how long the whole is."""
    header = header.replace("10-", f"{len(DATA)}-")

    answer = bench.ask(f"/blobs/{DIGEST}", f"Authorization: Bearer {token()}", f"Range: {header}")

    assert answer.startswith(b"HTTP/1.1 416 ")
    assert f"bytes */{len(DATA)}".encode() in answer


def test_head_tells_the_length_only(bench: Bench) -> None:
    """For a client that resumes."""
    answer = bench.ask(f"/blobs/{DIGEST}", f"Authorization: Bearer {token()}", method="HEAD")

    assert f"Content-Length: {len(DATA)}".encode() in answer
    assert body_of(answer) == b""


def test_a_browser_runs_nothing_of_it(bench: Bench) -> None:
    """It is a tenant's file."""
    answer = bench.ask(f"/blobs/{DIGEST}", f"Authorization: Bearer {token()}")

    assert b"X-Content-Type-Options: nosniff" in answer
    assert b"Content-Security-Policy: sandbox" in answer
    assert b"Content-Type: application/octet-stream" in answer


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"/blobs/{DIGEST}"),
        ("GET", "/blobs/../secret.key"),
        ("GET", f"/blobs/{DIGEST.upper()}"),
        ("GET", f"/blobs/{DIGEST}/x"),
        ("GET", "/"),
    ],
)
def test_there_is_nothing_else(bench: Bench, method: str, path: str) -> None:
    """Only digests, only reading."""
    answer = bench.ask(path, f"Authorization: Bearer {token()}", method=method)

    assert answer.startswith(b"HTTP/1.1 404 ")


def test_a_blob_that_is_collected_is_not_found(bench: Bench) -> None:
    """The token outlives it."""
    digest = "ab" * 32

    answer = bench.ask(f"/blobs/{digest}", f"Authorization: Bearer {token(digest)}")

    assert answer.startswith(b"HTTP/1.1 404 ")
