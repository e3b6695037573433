"""Logs of plugins read on, by REST: parts, and server-sent events."""

from __future__ import annotations

from typing import Any

import pytest

from iotronic_mec import errors
from iotronic_mec.event_stream import RETRY_MS
from lightning_agent.protocol.messages import OperationAnswer, OperationCall
from tests.fakes.boards import end_as, fail_with, succeed
from tests.fakes.site import Site, fault
from tests.functional.test_grant import bring_online, lent, state

LINE = {"time": "2026-01-01T00:00:00+00:00", "stream": "log"}


def part(*texts: str, first: int = 1, missed: int = 0, **more: Any) -> dict[str, Any]:
    """Return what a board says of a log."""
    lines = [{**LINE, "n": first + at, "text": text} for at, text in enumerate(texts)]
    return {
        "lines": lines,
        "after": first + len(texts) - 1,
        "missed": missed,
        "dropped": 0,
        **more,
    }


@pytest.fixture
def log(site: Site) -> str:
    """Have the member's plugin on the member's board; return the address of its log."""
    board = bring_online(site)
    body = {"name": "beat", "code": "def main(context):\n    pass\n"}
    assert site.ask("POST", "/v1/plugins", body, token="member").status_int == 201
    path = f"/v1/boards/{board}/plugins"
    assert site.ask("PUT", path, {"plugin": "beat"}, token="member").status_int == 200
    plugin = site.ask("GET", path, token="member").json["injections"][0]["plugin"]
    site.boards.answer = succeed(part("one", "two"))
    return f"{path}/{plugin}/logs"


def asked(site: Site) -> dict[str, Any]:
    """Return what the board was asked last, without the plugin."""
    _, procedure, call = site.boards.calls[-1]
    assert procedure == "plugin.follow"
    return {key: value for key, value in call.parameters.items() if key != "plugin"}


def test_a_part(site: Site, log: str) -> None:
    """The newest lines at first, then those after a line; nothing is recorded."""
    before = len(site.ask("GET", "/v1/requests").json["requests"])

    newest = site.ask("GET", log, token="member")
    first_asked = asked(site)
    later = site.ask("GET", f"{log}?after=2&lines=1000", token="member")

    assert newest.status_int == 200
    assert newest.json == part("one", "two")
    assert first_asked == {"after": None, "lines": 100}
    assert (later.status_int, asked(site)) == (200, {"after": 2, "lines": 1000})
    assert len(site.ask("GET", "/v1/requests").json["requests"]) == before


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("after=-1", "after"),
        ("after=x", "after"),
        ("after=9007199254740993", "after"),
        ("lines=0", "lines"),
        ("lines=1001", "lines"),
        ("follow=true", "follow"),
    ],
)
def test_bad_questions(site: Site, log: str, query: str, field: str) -> None:
    """What is wrong is named; the board is not asked."""
    before = len(site.boards.calls)
    for path in (log, f"{log}/events"):
        answer = site.ask("GET", f"{path}?{query}", token="member")
        assert answer.status_int == 400
        assert field in fault(answer)

    assert len(site.boards.calls) == before


def test_events(site: Site, log: str) -> None:
    """Lines are events with their numbers as ids; what is missing is said first."""
    site.boards.answer = succeed(part("one", "a\nb", first=8, missed=5))

    answer = site.ask("GET", f"{log}/events", token="member", headers={"Last-Event-ID": "2"})

    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-store"
    assert asked(site) == {"after": 2, "lines": 100}
    start = '{"time":"2026-01-01T00:00:00+00:00","stream":"log","text":'
    assert answer.text == (
        f"retry: {RETRY_MS}\n\n"
        'event: gap\ndata: {"missed":5}\n\n'
        f'id: 8\ndata: {start}"one"}}\n\n'
        f'id: 9\ndata: {start}"a\\nb"}}\n\n'
    )


@pytest.mark.parametrize("seen", ["x", "-1", "1e3", "9007199254740993", "٣"])
def test_a_bad_id(site: Site, log: str, seen: str) -> None:
    """What is no id of ours is refused."""
    header = {"Last-Event-ID": seen.encode().decode("latin-1")}

    answer = site.ask("GET", f"{log}/events", token="member", headers=header)

    assert answer.status_int == 400
    assert "Last-Event-ID" in fault(answer)


def test_who_may(site: Site, log: str) -> None:
    """Others do not see it, nor whether it is there; nobody sees it without credentials."""
    for path in (log, f"{log}/events"):
        assert site.ask("GET", path, token="stranger").status_int == 404
        assert site.ask("GET", path, token=None).status_int == 401
        assert site.ask("GET", path, token="admin").status_int == 200


def test_under_a_grant(site: Site, log: str) -> None:
    """Lent, each question is an order of its own, counted by the grant; revoked, it is none."""
    board = log.split("/")[3]
    grant = lent(site, board, "plugin.logs", max_uses=2)

    answers = [site.ask("GET", log, token="stranger") for _ in range(3)]

    assert [answer.status_int for answer in answers] == [200, 200, 404]
    assert answers[0].json == part("one", "two")
    assert state(site, grant) == "used_up"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (end_as("failed", "plugin_unknown", "it is not here"), 500),
        (fail_with(errors.BoardTimeout()), 504),
        (fail_with(errors.BoardOffline()), 400),
        (fail_with(errors.BoardRefused("this board has no procedure 'plugin.follow'")), 500),
        (succeed("nothing"), 500),
        (succeed({"lines": 7}), 500),
        (succeed({"lines": [{"n": "x"}], "after": 0, "missed": 0, "dropped": 0}), 500),
    ],
)
def test_boards_that_do_not_answer(site: Site, log: str, answer: Any, status: int) -> None:
    """Whatever a board says, the caller gets an error with a code."""
    site.boards.answer = answer

    found = site.ask("GET", log, token="member")

    assert found.status_int == status
    assert found.json["code"].startswith("iot.")


def test_a_hostile_board(site: Site, log: str) -> None:
    """Only what belongs to a log comes through, and no more than was asked for."""
    lines = [{**LINE, "n": at, "text": ["x"], "more": 1} for at in range(1, 3000)]
    site.boards.answer = succeed(part(lines=lines, after=-5, missed=2.7, secret=1))

    found = site.ask("GET", log, token="member").json

    assert len(found["lines"]) == 1000
    assert found["lines"][0] == {**LINE, "n": 1, "text": "['x']"}
    assert {**found, "lines": []} == {"lines": [], "after": 0, "missed": 2, "dropped": 0}


def test_the_time_a_board_has(site: Site, log: str) -> None:
    """A board whose log is followed has 5 s, not a minute."""
    limits: list[float] = []

    def answer(call: OperationCall) -> OperationAnswer:
        limits.append(call.remaining_s)
        return succeed(part("x"))(call)

    site.boards.answer = answer
    site.ask("GET", log, token="member")

    assert limits == [5.0]
