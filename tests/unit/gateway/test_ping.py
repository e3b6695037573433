"""The data road's echo: who may is asked of the core, the board is called at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iotronic_mec import errors
from iotronic_mec.gateway import ping
from tests.unit.gateway.test_site import Wire, body_of
from tests.unit.gateway.test_upstream import Bench, code_of

BOARD = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"


def request(token: str = "t", body: bytes = b"", board: str = BOARD) -> bytes:
    """Return the bytes of a ping."""
    head = f"POST /healthcheck/boards/{board} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {token}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.fixture
def bench() -> Bench:
    """Give an origin with two connections to the core."""
    return Bench(connections=2)


def questions(bench: Bench) -> list[dict[str, Any]]:
    """Return what the core was asked, over whichever connection."""
    return [frame["environ"] for link in (0, 1) for frame in bench.sent(link)]


def allow(bench: Bench, status: int = 200, **frame: Any) -> None:
    """Let the core answer the question under way."""
    link = next(at for at in (1, 0) if bench.links[at]._wrappedProtocol._job is not None)
    bench.answer(link, status=status, **frame)


def answered(wire: Wire) -> dict[str, Any]:
    """Return the JSON a client got."""
    found: dict[str, Any] = json.loads(body_of(wire.value()))
    return found


def test_a_ping_goes_to_the_board_and_back(bench: Bench) -> None:
    """The core is asked with the sender's credentials; then the board is called."""
    wire = bench.ask(request(body=b'{"say": "hi"}'))
    [question] = questions(bench)
    assert bench.boards == []

    allow(bench)
    [(call, answer)] = bench.boards
    answer.callback({"say": "hi"})

    assert (question["REQUEST_METHOD"], question["PATH_INFO"], question["HTTP_X_AUTH_TOKEN"]) == (
        "GET",
        f"/healthcheck/boards/{BOARD}",
        "t",
    )
    assert (call["board"], call["procedure"], call["message"]) == (
        BOARD,
        "agent.ping",
        {"say": "hi"},
    )
    assert {**answered(wire), "round_trip_ms": 0} == {
        "board": BOARD,
        "say": "hi",
        "round_trip_ms": 0,
    }
    assert b"Openstack-Request-Id: req-" in wire.value()


def test_a_yes_is_kept_for_less_than_a_second(bench: Bench) -> None:
    """Within it the board is called at once; after it the core is asked first."""
    bench.ask(request())
    allow(bench)
    questions(bench)

    bench.ask(request())
    at_once = (len(bench.boards), questions(bench))
    bench.reactor.advance(1.0)
    bench.ask(request())

    assert at_once == (2, [])
    assert (len(bench.boards), len(questions(bench))) == (2, 1)


def test_a_yes_is_asked_for_again_beforehand(bench: Bench) -> None:
    """Who pings all the time never waits for the core; a no then ends it at once."""
    bench.ask(request())
    allow(bench)
    questions(bench)
    bench.reactor.advance(ping.REFRESH_S)

    bench.ask(request())
    asked = questions(bench)
    allow(bench, status=401)
    bench.ask(request())

    assert (len(asked), len(bench.boards)) == (1, 2)
    assert len(questions(bench)) == 1


def test_a_refusal_is_the_cores_own(bench: Bench) -> None:
    """Status, headers and body of the core; the board hears nothing; no is not kept."""
    wire = bench.ask(request())

    allow(bench, status=404, headers=[["Content-Type", "application/json"]], b=b'{"code": "x"}')

    assert wire.value().startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert answered(wire) == {"code": "x"}
    assert bench.boards == []
    questions(bench)
    bench.ask(request())
    assert len(questions(bench)) == 1


@pytest.mark.parametrize(
    "other", [request(token="u"), request(board=BOARD[:-1] + "c")], ids=["token", "board"]
)
def test_a_yes_is_of_one_sender_and_one_board(bench: Bench, other: bytes) -> None:
    """Another token, or the same for another board, is asked for anew."""
    bench.ask(request())
    allow(bench)
    questions(bench)

    bench.ask(other)

    assert (len(bench.boards), len(questions(bench))) == (1, 1)


def test_senders_that_come_together_ask_once(bench: Bench) -> None:
    """One question serves all who wait for it."""
    wires = [bench.ask(request()) for _ in range(3)]
    asked = questions(bench)
    allow(bench)

    for _, answer in bench.boards:
        answer.callback({"say": ""})

    assert len(asked) == 1
    assert [answered(wire)["say"] for wire in wires] == ["", "", ""]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", None),
        (b"[]", None),
        (b'{"say": 1}', "say"),
        (b'{"other": 1}', "other"),
        (b'{"say": "' + b"x" * 65_537 + b'"}', "say"),
    ],
    ids=["cut", "list", "number", "unknown", "long"],
)
def test_a_body_that_is_none(bench: Bench, body: bytes, field: str | None) -> None:
    """It is a 400 that names the field, and no board is called."""
    wire = bench.ask(request(body=body))

    allow(bench)

    assert wire.value().startswith(b"HTTP/1.1 400 ")
    assert answered(wire)["details"].get("field") == field
    assert bench.boards == []


def test_a_board_that_is_not_there(bench: Bench) -> None:
    """What the call says is what the client is told, and the next one is called again."""
    wire = bench.ask(request())
    allow(bench)

    bench.boards[0][1].errback(errors.BoardOffline())

    assert code_of(wire) == errors.BoardOffline.code
    bench.ask(request())
    assert len(bench.boards) == 2


def test_the_core_is_away(bench: Bench) -> None:
    """Without an answer of the core nobody is let through."""
    wire = bench.ask(request())

    bench.lose(0)
    bench.lose(1)

    assert wire.value().startswith(b"HTTP/1.1 503 ")
    assert bench.boards == []


@pytest.mark.parametrize(
    "target",
    [b"GET /healthcheck/boards/" + BOARD.encode(), b"POST /healthcheck/boards/kitchen"],
    ids=["get", "name"],
)
def test_the_rest_is_the_cores(bench: Bench, target: bytes) -> None:
    """Other methods, and boards by name, go the ordinary way."""
    bench.ask(target + b" HTTP/1.1\r\nHost: h\r\n\r\n")

    assert len(questions(bench)) == 1
    assert len(bench.site.pings._known) == 0


def test_what_is_known_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many senders come, only so many are remembered."""
    monkeypatch.setattr(ping, "MAX_KNOWN", 2)

    for number in range(5):
        bench.ask(request(token=str(number)))
        allow(bench)

    assert len(bench.site.pings._known) == 2


def test_too_many_calls(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """One over the limit is told to come back; none is queued without end."""
    monkeypatch.setattr(ping, "MAX_CALLS", 1)
    bench.ask(request())
    allow(bench)

    wire = bench.ask(request())

    assert code_of(wire) == errors.Busy.code
    assert len(bench.boards) == 1


# -- what counts against the rates of the sender ----------------------------------------


def left(number: int) -> list[list[str]]:
    """Return the header by which the core says how many pings may follow."""
    return [["X-IoT-Requests-Left", str(number)]]


def served(asked: list[dict[str, Any]]) -> list[str]:
    """Return what the core was told of pings it was not asked about."""
    return [question[ping.SERVED] for question in asked]


def test_pings_are_told_with_the_next_question(bench: Bench) -> None:
    """Each is counted once: by a question of its own, or told with a later one."""
    bench.ask(request())
    first = questions(bench)
    allow(bench, headers=left(10))
    for _ in range(3):
        bench.ask(request())
    bench.reactor.advance(ping.REFRESH_S)
    bench.ask(request())

    assert served(first) == ["0"]
    # five in all, of which each question is one
    assert served(questions(bench)) == ["3"]
    assert len(bench.boards) == 5


def test_no_more_pings_than_the_core_lets_pass(bench: Bench) -> None:
    """When those are used up the next one waits for a question, however fresh the yes is."""
    bench.ask(request())
    allow(bench, headers=left(2))
    questions(bench)

    wires = [bench.ask(request()) for _ in range(4)]
    asked = questions(bench)
    before = len(bench.boards)
    allow(bench, status=429, headers=[["Retry-After", "3"]])

    assert (before, served(asked)) == (3, ["2"])
    assert [wire.value()[9:12] for wire in wires[2:]] == [b"429", b"429"]
    assert b"Retry-After: 3" in wires[3].value()
    assert len(bench.boards) == 3


def test_pings_that_wait_go_on_as_far_as_they_may(bench: Bench) -> None:
    """Of many that wait for one yes some pass, and the core is asked for the others."""
    for _ in range(5):
        bench.ask(request())
    questions(bench)

    allow(bench, headers=left(2))
    asked = questions(bench)
    passed = len(bench.boards)
    allow(bench, headers=left(5))

    assert (passed, served(asked)) == (3, ["2"])
    assert len(bench.boards) == 5


def test_who_does_not_come_again_is_counted(bench: Bench) -> None:
    """Pings of a sender who changes his credentials, or stops, are told all the same."""
    bench.ask(request())
    allow(bench, headers=left(10))
    questions(bench)
    for _ in range(4):
        bench.ask(request())

    bench.reactor.advance(ping.FRESH_S)

    assert served(questions(bench)) == ["3"]


def test_what_the_core_did_not_hear_is_told_again(bench: Bench) -> None:
    """A question that is not answered tells nothing."""
    bench.ask(request())
    allow(bench, headers=left(10))
    questions(bench)
    for _ in range(3):
        bench.ask(request())
    bench.reactor.advance(ping.FRESH_S)
    first = questions(bench)
    link = next(at for at in (1, 0) if bench.links[at]._wrappedProtocol._job is not None)
    bench.lose(link)
    bench.ask(request())

    assert served(first) == ["2"]
    assert served(questions(bench)) == ["3"]


def test_without_limits_nothing_is_counted(bench: Bench) -> None:
    """Where the core names no limit there is no timer and no question for it."""
    bench.ask(request())
    allow(bench)
    questions(bench)
    for _ in range(4):
        bench.ask(request())

    bench.reactor.advance(10)

    assert questions(bench) == []


def test_a_client_cannot_say_what_was_served(bench: Bench) -> None:
    """No header becomes that key; the header of the yes goes to nobody."""
    head = request().replace(b"Host: h", b"Host: h\r\niotronic.served: -9\r\nServed: -9")
    wire = bench.ask(head)
    asked = questions(bench)
    allow(bench, status=404, headers=left(3))

    assert served(asked) == ["0"]
    assert b"left" not in wire.value().lower()
