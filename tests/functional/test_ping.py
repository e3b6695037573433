"""The core's half of the data road's echo: who may, and the same without a gateway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from iotronic_mec.errors import Unavailable
from tests.fakes.site import Site

AGENT = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"


@pytest.fixture
def board(site: Site) -> dict[str, Any]:
    """Give a member's board that is online."""
    made = site.ask("POST", "/v1/boards", {"name": "porch"}, token="member").json
    site.parts.database.write(
        lambda connection: connection.exec_driver_sql(
            f"UPDATE board SET status = 'online', agent = '{AGENT}', session = '1'"
        )
    )
    return dict(made)


def test_echo(site: Site, board: dict[str, Any]) -> None:
    """By uuid and by name the text comes back, and nothing is recorded."""
    for name in (board["uuid"], "porch"):
        answer = site.ask("POST", f"/healthcheck/boards/{name}", {"say": "hi"}, token="member")
        assert (answer.status_int, answer.json["board"], answer.json["say"]) == (
            200,
            board["uuid"],
            "hi",
        )
        assert answer.json["round_trip_ms"] >= 0
    assert site.ask("GET", "/v1/requests", token="member").json["requests"] == []


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("token", "status"),
    [("member", 200), ("admin", 200), ("reader", 403), ("stranger", 404), (None, 401), ("x", 401)],
)
def test_who_may(
    site: Site, board: dict[str, Any], method: str, token: str | None, status: int
) -> None:
    """The gateway's question is answered as the echo itself would be."""
    path = f"/healthcheck/boards/{board['uuid']}"

    answer = site.ask(method, path, {} if method == "POST" else None, token=token)

    assert answer.status_int == status, answer.text


def test_what_is_revoked(site: Site, board: dict[str, Any]) -> None:
    """A token that was deleted is refused at the next question."""
    path = f"/healthcheck/boards/{board['uuid']}"
    before = site.ask("GET", path, token="member").status_int
    tokens = site.ask("GET", "/v1/tokens", token="member").json["tokens"]
    site.ask("DELETE", f"/v1/tokens/{tokens[0]['uuid']}", token="member")

    assert (before, site.ask("GET", path, token="member").status_int) == (200, 401)


def test_offline(site: Site) -> None:
    """A board without a session is a conflict by its own code, not a wait."""
    site.ask("POST", "/v1/boards", {"name": "attic"}, token="member")

    answer = site.ask("POST", "/healthcheck/boards/attic", {}, token="member")

    assert answer.json["code"] == "iot.board.offline"


def test_bad_body(site: Site, board: dict[str, Any]) -> None:
    """Another field, or too long a text, names the field."""
    for body, field in (({"said": 1}, "said"), ({"say": "x" * 65_537}, "say")):
        answer = site.ask("POST", f"/healthcheck/boards/{board['uuid']}", body, token="member")
        assert (answer.status_int, answer.json["details"]["field"]) == (400, field)


def test_health_says_no_more_than_whether_it_serves(site: Site) -> None:
    """Anybody is told the same, whatever is wrong; the causes are an operator's."""
    well = site.ask("GET", "/healthcheck", token=None)
    site.parts.database.read = broken  # type: ignore[method-assign]

    ill = site.ask("GET", "/healthcheck", token=None)

    assert (well.status_int, well.json) == (200, {"status": "ok"})
    assert (ill.status_int, ill.json) == (503, {"status": "unavailable"})
    assert ill.headers["Retry-After"] == "1"


@contextmanager
def broken() -> Iterator[None]:
    """Stand for a database that does not answer."""
    raise Unavailable("the database at 10.0.0.5 is away")
    yield


def test_the_parts_are_told_to_operators(site: Site) -> None:
    """A member is refused, an administrator told."""
    assert site.ask("GET", "/healthcheck/parts", token="member").status_int == 403
    assert site.ask("GET", "/healthcheck/parts").json == {"parts": {"database": "up"}}
