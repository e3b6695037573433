"""Bundles by HTTP, from a server that is the test."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionLost, ConnectionRefusedError
from twisted.internet.task import Clock as FakeReactor
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers

from lightning_agent.errors import DigestMismatch
from lightning_agent.modules import fetch as fetch_module
from lightning_agent.modules.fetch import SILENCE_LIMIT_S, Fetcher, FetchFailed, NoSpace
from lightning_agent.state.disk import DirectDisk
from tests.agent.stand_ins import a_plugin, begin

CONTENT = bytes(range(256)) * 40


class Answer:
    """One HTTP answer: a part of the body, then how it ends."""

    def __init__(
        self, body: bytes = b"", code: int = 200, end: Any = ResponseDone, **headers: str
    ) -> None:
        self.code = code
        self.headers = Headers(
            {name.replace("_", "-"): [value] for name, value in headers.items()}
        )
        self.body = body
        self.end = end
        self.aborted = False

    def deliverBody(self, protocol: Any) -> None:
        """Give the body to the fetcher."""
        protocol.makeConnection(self)
        if self.body:
            protocol.dataReceived(self.body)
        if self.end is not None:
            protocol.connectionLost(Failure(self.end()))
        self.protocol = protocol

    def abortConnection(self) -> None:
        """Cut off."""
        if not self.aborted:
            self.aborted = True
            if self.end is None:
                self.protocol.connectionLost(Failure(ConnectionLost()))

    loseConnection = abortConnection


class FakeAgent:
    """The HTTP client; answers in order."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.headers: list[dict[bytes, list[bytes]]] = []

    def request(self, method: bytes, url: bytes, headers: Headers) -> Deferred[Any]:
        """Answer."""
        self.headers.append(dict(headers.getAllRawHeaders()))
        answer = self.answers.pop(0)
        return fail(answer) if isinstance(answer, Exception) else succeed(answer)


class Bench:
    """A fetcher with a client that is the test."""

    def __init__(self, folder: Path, *answers: Any) -> None:
        self.reactor = FakeReactor()
        self.agent = FakeAgent(*answers)
        self.fetcher = Fetcher(
            self.reactor, folder, DirectDisk(), randomness=random.Random(1), agent=self.agent
        )

    def fetch(self, **fields: Any) -> Any:
        """Fetch to the end; return the path or raise."""
        fetching = begin(self.fetcher.fetch(a_plugin(CONTENT, **fields)))
        for _ in range(40):
            self.reactor.advance(2)
        if hasattr(fetching, "broke"):
            raise fetching.broke
        return fetching.result


def test_whole_bundle_is_written(tmp_path: Path) -> None:
    """What came is in the file; the token went in a header."""
    bench = Bench(tmp_path, Answer(CONTENT))

    path = bench.fetch(token="secret")

    assert path.read_bytes() == CONTENT
    assert bench.agent.headers[0][b"Authorization"] == [b"Bearer secret"]


@pytest.mark.parametrize("end", [ConnectionLost, ResponseDone])
def test_cut_off_transfer_goes_on_with_a_range(tmp_path: Path, end: Any) -> None:
    """The rest is asked for, not the whole."""
    rest = Answer(CONTENT[4000:], 206, content_range=f"bytes 4000-{len(CONTENT) - 1}/*")
    bench = Bench(tmp_path, Answer(CONTENT[:4000], end=end), rest)

    path = bench.fetch()

    assert path.read_bytes() == CONTENT
    assert bench.agent.headers[1][b"Range"] == [b"bytes=4000-"]


@pytest.mark.parametrize(
    "second",
    [
        Answer(CONTENT),
        Answer(CONTENT, 206, content_range="bytes 0-1/2"),
        Answer(b"", 416),
    ],
)
def test_server_without_ranges_starts_over(tmp_path: Path, second: Answer) -> None:
    """Whatever a server makes of the range, the file is whole in the end."""
    bench = Bench(tmp_path, Answer(CONTENT[:4000], end=ConnectionLost), second, Answer(CONTENT))

    assert bench.fetch().read_bytes() == CONTENT


def test_silent_server_is_cut_off_and_tried_again(tmp_path: Path) -> None:
    """A transfer that stands still goes on with a new connection."""
    rest = Answer(CONTENT[10:], 206, content_range=f"bytes 10-{len(CONTENT) - 1}/*")
    silent = Answer(CONTENT[:10], end=None)
    bench = Bench(tmp_path, silent, rest)

    path = bench.fetch()

    assert silent.aborted
    assert path.read_bytes() == CONTENT
    assert SILENCE_LIMIT_S == 20


@pytest.mark.parametrize(
    ("body", "size"), [(CONTENT[:-1] + b"x", len(CONTENT)), (CONTENT + b"x", len(CONTENT))]
)
def test_other_content_is_refused_and_removed(tmp_path: Path, body: bytes, size: int) -> None:
    """A wrong digest or size is never handed on, nor kept."""
    bench = Bench(tmp_path, Answer(body))

    with pytest.raises(DigestMismatch):
        bench.fetch(size=size)

    assert list((tmp_path / "fetch").iterdir()) == []


@pytest.mark.parametrize("code", [301, 400, 401, 403, 404])
def test_refusal_is_final(tmp_path: Path, code: int) -> None:
    """A server that says no is not asked again."""
    bench = Bench(tmp_path, Answer(b"", code))

    with pytest.raises(FetchFailed, match=str(code)):
        bench.fetch()


@pytest.mark.parametrize("trouble", [Answer(b"", 503), ConnectionRefusedError()])
def test_trouble_is_tried_six_times(tmp_path: Path, trouble: Any) -> None:
    """A server in trouble is tried again with back-off, not for ever."""
    bench = Bench(tmp_path, *[trouble] * 10)

    with pytest.raises(FetchFailed):
        bench.fetch()

    assert len(bench.agent.headers) == 6


def test_cancelled_fetch_keeps_its_part(tmp_path: Path) -> None:
    """At the order's deadline the transfer ends; the next one goes on there."""
    bench = Bench(tmp_path, Answer(CONTENT[:4000], end=None))
    fetching = begin(bench.fetcher.fetch(a_plugin(CONTENT)))

    fetching.cancel()

    (part,) = (tmp_path / "fetch").iterdir()
    assert part.stat().st_size == 4000
    assert bench.reactor.getDelayedCalls() == []


def test_full_disk_is_found_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle that does not fit is not begun."""
    monkeypatch.setattr(fetch_module, "SPARE_BYTES", 1 << 60)
    bench = Bench(tmp_path)

    with pytest.raises(NoSpace):
        bench.fetch()


def test_old_parts_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody asked for any more does not fill the disk."""
    monkeypatch.setattr(fetch_module, "ABANDONED_S", -10.0)
    (tmp_path / "fetch").mkdir()
    (tmp_path / "fetch" / "old").write_bytes(b"x")
    bench = Bench(tmp_path, Answer(CONTENT))

    path = bench.fetch()

    assert list((tmp_path / "fetch").iterdir()) == [path]
