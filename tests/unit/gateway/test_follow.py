"""Followed logs at the gateway: held answers, asked for on a few turns of the core."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from iotronic_mec.event_stream import KEEP_ALIVE, retry
from iotronic_mec.gateway import follow
from tests.unit.gateway.test_site import Wire, body_of
from tests.unit.gateway.test_upstream import Bench, code_of

LOG = "/v1/boards/kitchen/plugins/beat/logs"
LINE = {"time": "t", "stream": "log"}


def request(token: str = "t", query: str = "", **headers: str) -> bytes:
    """Return the bytes of a request for a stream."""
    lines = [f"GET {LOG}/events{query} HTTP/1.1", "Host: h", f"X-Auth-Token: {token}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


class Core(Bench):
    """An origin on a core that is asked for logs."""

    def __init__(self) -> None:
        super().__init__(connections=8)

    def waiting(self) -> list[int]:
        """Return the connections on which a question waits."""
        return [at for at, link in enumerate(self.links) if link._wrappedProtocol._job]

    def questions(self) -> list[dict[str, str]]:
        """Return what the core was asked since the last look."""
        return [frame["environ"] for at in range(len(self.links)) for frame in self.sent(at)]

    def lines(self, *texts: str, after: int = 0, missed: int = 0, project: str = "p") -> None:
        """Answer the question under way with lines."""
        found = [{**LINE, "n": after + at, "text": text} for at, text in enumerate(texts, 1)]
        part = {"lines": found, "after": after + len(texts), "missed": missed, "dropped": 0}
        self.say(200, part, project)

    def say(self, status: int, body: Any, project: str = "p", **headers: str) -> None:
        """Answer the question under way."""
        listed = [
            ["X-IoT-Project", project],
            *([k.replace("_", "-"), v] for k, v in headers.items()),
        ]
        self.answer(self.waiting()[0], status=status, headers=listed, b=orjson.dumps(body))

    def refuse(self, status: int, code: str, **headers: str) -> None:
        """Answer the question under way with an error."""
        self.say(status, {"code": code, "error_message": "{}"}, **headers)

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.reactor.advance(seconds)


def head_of(wire: Wire) -> str:
    """Return the head of what a client got."""
    return wire.value().partition(b"\r\n\r\n")[0].decode()


def stream_of(wire: Wire) -> bytes:
    """Return the pieces of the body that a client got."""
    rest, found = body_of(wire.value()), b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        found += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return found


def event(text: str, number: int) -> bytes:
    """Return the event of a line."""
    return b"id: %d\ndata: %s\n\n" % (number, orjson.dumps({**LINE, "text": text}))


@pytest.fixture
def core() -> Core:
    """Give an origin."""
    return Core()


def begun(core: Core, token: str = "t", project: str = "p") -> Wire:
    """Begin a stream with one line."""
    wire = core.ask(request(token))
    core.lines("one", project=project)
    core.questions()
    return wire


def test_lines_come_as_they_are_written(core: Core) -> None:
    """The core is asked with the sender's credentials, again and again from where it was."""
    wire = core.ask(request(query="?lines=5"))
    [first] = core.questions()
    core.lines("one", "two")
    core.pass_s(0.6)
    [second] = core.questions()
    core.lines("three", after=2)

    assert (first["PATH_INFO"], first["QUERY_STRING"]) == (LOG, "lines=5")
    assert (second["QUERY_STRING"], second["HTTP_X_AUTH_TOKEN"]) == ("after=2&lines=1000", "t")
    assert "200 OK" in head_of(wire)
    assert "Content-Type: text/event-stream" in head_of(wire)
    assert stream_of(wire) == retry() + event("one", 1) + event("two", 2) + event("three", 3)


def test_going_on(core: Core) -> None:
    """Who comes again says what it saw last; what is not kept any more is said."""
    wire = core.ask(request(query="?lines=5&after=1", Last_Event_ID="7"))
    [question] = core.questions()
    core.lines("ten", after=9, missed=2)

    assert question["QUERY_STRING"] == "lines=5&after=7"
    gap = b'event: gap\ndata: {"missed":2}\n\n'
    assert stream_of(wire) == retry() + gap + event("ten", 10)


def test_a_bad_id(core: Core) -> None:
    """It is refused here; nobody is asked."""
    wire = core.ask(request(Last_Event_ID="x"))

    assert "400" in head_of(wire)
    assert core.questions() == []
    assert core.site.followers.count == 0


def test_nothing_new_is_asked_for_less_often(core: Core) -> None:
    """The pause grows to two seconds; a silent stream says that it lives."""
    wire = begun(core)
    asked = 0
    for _ in range(200):
        core.pass_s(0.1)
        for _ in core.questions():
            asked += 1
            core.lines(after=1)

    assert 10 <= asked <= 15
    assert stream_of(wire) == retry() + event("one", 1) + KEEP_ALIVE


@pytest.mark.parametrize(("status", "code"), [(404, "iot.x"), (401, "iot.y"), (400, "iot.z")])
def test_what_is_refused_at_first(core: Core, status: int, code: str) -> None:
    """The core's refusal goes to the client as it is."""
    wire = core.ask(request())
    core.refuse(status, code)

    assert f" {status} " in head_of(wire)
    assert code_of(wire) == code
    assert core.site.followers.count == 0


@pytest.mark.parametrize(
    ("status", "reason"), [(404, "removed"), (401, "refused"), (403, "refused"), (500, "failed")]
)
def test_what_is_refused_later_ends_it(core: Core, status: int, reason: str) -> None:
    """The last event says why; then the answer is complete, and nobody asks any more."""
    wire = begun(core)
    core.pass_s(0.6)
    core.refuse(status, "iot.x")
    core.questions()
    core.pass_s(60)

    assert stream_of(wire).endswith(b'event: end\ndata: {"reason":"%s"}\n\n' % reason.encode())
    assert wire.value().endswith(b"0\r\n\r\n")
    assert core.questions() == []
    assert core.site.followers.count == 0


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "iot.board.offline"), (504, "iot.board.timeout"), (503, "iot.busy")],
)
def test_a_board_that_is_away_comes_back(core: Core, status: int, code: str) -> None:
    """That it is away is said once, and that it is back; lines go on from where they were."""
    wire = begun(core)
    for _ in range(3):
        core.pass_s(5)
        core.refuse(status, code)
    core.questions()
    core.pass_s(5)
    [question] = core.questions()
    core.lines("two", after=1)

    away = orjson.dumps({"state": "away", "code": code})
    expected = b"event: state\ndata: " + away + b"\n\n"
    online = b'event: state\ndata: {"state":"online"}\n\n'
    said = stream_of(wire).replace(KEEP_ALIVE, b"")
    assert said == retry() + event("one", 1) + expected + online + event("two", 2)
    assert question["QUERY_STRING"] == "after=1&lines=1000"


def test_too_many_requests_wait_as_told(core: Core) -> None:
    """A rate that is used up slows the stream down and does not end it."""
    wire = begun(core)
    core.pass_s(0.6)
    core.refuse(429, "iot.rate", Retry_After="9")
    core.questions()
    core.pass_s(8.9)
    before = core.questions()
    core.pass_s(0.2)

    assert (len(before), len(core.questions())) == (0, 1)
    assert b"end" not in stream_of(wire)


def test_few_questions_at_a_time(core: Core) -> None:
    """However many streams there are, four connections of the core at most work for them."""
    for number in range(10):
        core.ask(request(f"t{number}"))
    first = len(core.waiting())
    for number in range(10):
        core.lines("x", project=f"p{number}")

    assert first == follow.MAX_ASKED
    assert core.waiting() == []
    core.pass_s(0.6)
    assert len(core.waiting()) == follow.MAX_ASKED


def test_logs_do_not_take_the_turns_of_readers(core: Core) -> None:
    """Questions for logs wait for boards; a list is answered beside them."""
    for number in range(4):
        core.ask(request(f"t{number}"))
    core.ask(b"GET /v1/boards HTTP/1.1\r\nHost: h\r\nX-Auth-Token: t\r\n\r\n")

    assert len(core.waiting()) == 5


def test_streams_of_a_project_are_counted(core: Core) -> None:
    """One project has so many; another has its own; one that ends makes room."""
    wires = [begun(core, f"t{number}") for number in range(follow.MAX_OF_PROJECT)]
    refused = begun(core, "one more")
    other = begun(core, "other", project="q")
    wires[0].channel.connectionLost(Failure(ConnectionDone()))  # type: ignore[attr-defined]
    again = begun(core, "again")

    assert "429" in head_of(refused)
    assert code_of(refused) == "iot.log.too_many_followers"
    assert "200 OK" in head_of(other)
    assert "200 OK" in head_of(again)
    assert core.site.followers.count == follow.MAX_OF_PROJECT + 1


def test_streams_of_a_sender_are_counted_at_once(core: Core) -> None:
    """A sender the core has not spoken of yet cannot fill the gateway."""
    wires = [core.ask(request()) for _ in range(follow.MAX_OF_SENDER + 1)]

    assert "429" in head_of(wires[-1])
    assert core.site.followers.count == follow.MAX_OF_SENDER


def test_the_gateway_is_full(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its bound it is busy."""
    monkeypatch.setattr(follow, "MAX_FOLLOWERS", 2)
    begun(core, "a"), begun(core, "b")

    wire = core.ask(request("c"))

    assert "503" in head_of(wire)
    assert core.site.followers.count == 2


@pytest.mark.parametrize("under_way", [True, False])
def test_a_client_that_goes(core: Core, under_way: bool) -> None:
    """Nobody asks for it any more; an answer under way is dropped."""
    wire = begun(core)
    if under_way:
        core.pass_s(0.6)
    wire.channel.connectionLost(Failure(ConnectionDone()))  # type: ignore[attr-defined]
    if under_way:
        core.lines("late", after=1)
    core.questions()
    core.pass_s(60)

    assert core.questions() == []
    assert core.site.followers.count == 0
    assert core.reactor.getDelayedCalls() == [core.upstream._sweep.call]


def test_a_slow_client_is_waited_for(core: Core) -> None:
    """Nothing is asked for while it does not read; then the stream goes on, once."""
    wire = begun(core)
    wire.producer.pauseProducing()
    core.pass_s(0.6)
    core.lines("two", after=1)
    core.questions()
    core.pass_s(20)
    meanwhile = core.questions()
    wire.producer.resumeProducing()
    core.pass_s(0.1)

    assert meanwhile == []
    assert len(core.questions()) == 1


def test_pausing_during_a_question_makes_no_second_one(core: Core) -> None:
    """A client that stops and goes on while the core is asked is asked for once."""
    wire = begun(core)
    core.pass_s(0.6)
    wire.producer.pauseProducing()
    wire.producer.resumeProducing()
    core.pass_s(5)

    assert len(core.questions()) == 1


@pytest.mark.parametrize("reads", [True, False])
def test_a_stream_ends_after_an_hour(core: Core, reads: bool) -> None:
    """Its client comes again; one that takes nothing is cut off."""
    wire = begun(core)
    if not reads:
        wire.producer.pauseProducing()
    core.pass_s(follow.LONGEST_S)

    assert core.site.followers.count == 0
    assert wire.cut is not reads
    assert stream_of(wire).endswith(b'event: end\ndata: {"reason":"time"}\n\n') is reads


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"lines": 1, "after": 2}', b'{"lines": [3]}'])
def test_an_answer_that_is_none(core: Core, body: bytes) -> None:
    """What is no part of a log ends the stream, with a word."""
    wire = begun(core)
    core.pass_s(0.6)
    core.answer(core.waiting()[0], b=body)

    assert stream_of(wire).endswith(b'{"reason":"failed"}\n\n')
    assert core.site.followers.count == 0


def test_no_core(core: Core) -> None:
    """Without a core the client is told, and nothing is left."""
    for at in range(len(core.links)):
        core.lose(at)

    wire = core.ask(request())

    assert "503" in head_of(wire)
    assert core.site.followers.count == 0


def test_other_requests_are_the_cores(core: Core) -> None:
    """The log itself, and other methods, go on to the core."""
    core.ask(f"GET {LOG} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: t\r\n\r\n".encode())
    core.ask(f"POST {LOG}/events HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n".encode())

    asked = [(each["REQUEST_METHOD"], each["PATH_INFO"]) for each in core.questions()]

    assert sorted(asked) == [("GET", LOG), ("POST", f"{LOG}/events")]
    assert json.dumps(asked)
