"""``Idempotency-Key`` over HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from iotronic_mec.errors import Unavailable
from iotronic_mec.features.idempotency.commands import IdempotencyCommands
from iotronic_mec.ids import new_uuid
from tests.fakes.site import Site

KEY = {"Idempotency-Key": "key-1"}


def create(site: Site, name: str = "lamp", token: str = "member", **headers: str) -> Any:
    """Create a board with the key."""
    return site.ask("POST", "/v1/boards", {"name": name}, token=token, headers=KEY | headers)


def restart(site: Site) -> None:
    """Give the conductor another life, as after a crash."""
    fresh = IdempotencyCommands(replace(site.parts, process=new_uuid()), {})
    site.dispatcher._endpoints["idempotency"] = fresh


def test_repetition(site: Site) -> None:
    """A repeated request has one effect, and the first answer word for word."""
    first, second = create(site), create(site)

    assert first.status_int == second.status_int == 201
    assert second.body == first.body
    assert second.headers["Location"] == first.headers["Location"]
    assert second.headers["Idempotency-Replayed"] == "true"
    assert len(site.ask("GET", "/v1/boards", token="member").json["boards"]) == 1


def test_errors_are_repeated(site: Site) -> None:
    """A refusal is an answer too."""
    site.ask("POST", "/v1/boards", {"name": "lamp"}, token="member")
    first = create(site)
    site.ask("DELETE", "/v1/boards/lamp", token="member")

    assert first.status_int == 409
    assert create(site).body == first.body


def test_another_body(site: Site) -> None:
    """The same key with another body is a 422."""
    create(site)

    answer = create(site, "other")

    assert answer.status_int == 422
    assert answer.json["code"] == "iot.idempotency.mismatch"


def test_keys_belong_to_a_project(site: Site) -> None:
    """Two projects may use the same key."""
    first, second = create(site), create(site, token="stranger")

    assert first.json["uuid"] != second.json["uuid"]


def test_keys_belong_to_an_address(site: Site) -> None:
    """The same key works on another address."""
    create(site)

    assert site.ask("POST", "/v1/projects", {"name": "lamp"}, headers=KEY).status_int == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
def test_keys_out_of_bounds(site: Site, key: str) -> None:
    """A key has 1 to 255 printable characters."""
    assert create(site, **{"Idempotency-Key": key}).status_int == 400


def test_key_of_255(site: Site) -> None:
    """The longest key works."""
    assert create(site, **{"Idempotency-Key": "x" * 255}).status_int == 201


def test_while_the_first_runs(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repetition before the first has ended is a 409."""
    answers: list[Any] = []
    board = site.dispatcher._endpoints["board"]
    real = board.create

    def slow(*arguments: Any, **more: Any) -> Any:
        if not answers:
            answers.append(create(site))
        return real(*arguments, **more)

    slow.__rpc_exposed__ = True  # type: ignore[attr-defined]
    monkeypatch.setattr(board, "create", slow, raising=False)

    first = create(site)

    assert first.status_int == 201
    assert answers[0].status_int == 409
    assert answers[0].json["code"] == "iot.idempotency.busy"


def test_after_a_crash(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the cloud dies between effect and answer, the repetition finds the effect."""
    endpoint = site.dispatcher._endpoints["idempotency"]
    monkeypatch.setattr(endpoint, "finish", None)
    create(site, "lamp")  # made, but its answer was never kept
    restart(site)

    again = create(site, "lamp")

    boards = site.ask("GET", "/v1/boards", token="member").json["boards"]
    assert len(boards) == 1
    assert again.status_int == 201
    assert again.json["uuid"] == boards[0]["uuid"]


def test_an_outage_is_not_repeated(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a 503 the same key tries again."""
    board = site.dispatcher._endpoints["board"]
    real = board.create

    def away(*_arguments: Any, **_more: Any) -> Any:
        raise Unavailable()

    away.__rpc_exposed__ = True  # type: ignore[attr-defined]
    monkeypatch.setattr(board, "create", away, raising=False)
    refused = create(site)
    monkeypatch.setattr(board, "create", real, raising=False)

    assert refused.status_int == 503
    assert create(site).status_int == 201


def test_after_a_day(site: Site) -> None:
    """A key is forgotten after 24 hours; then it makes something new."""
    first = site.ask("POST", "/v1/tokens", {"name": "ci"}, headers=KEY).json
    site.clock.advance(86_400)

    second = site.ask("POST", "/v1/tokens", {"name": "ci"}, headers=KEY).json

    assert first["uuid"] != second["uuid"]
    assert site.ask("GET", "/v1/whoami", token=first["secret"]).status_int == 200


def test_old_keys_are_cleared(site: Site) -> None:
    """The periodic work removes what is older than a day."""
    create(site)
    endpoint = site.dispatcher._endpoints["idempotency"]
    assert endpoint.expire() == 0

    site.clock.advance(86_401)

    assert endpoint.expire() == 1


def test_stored_answers_show_no_secret(site: Site) -> None:
    """The database holds no secret of a stored answer, nor the key."""
    headers = {"Idempotency-Key": "a-telling-key"}
    secret = site.ask("POST", "/v1/tokens", {"name": "ci"}, headers=headers).json["secret"]
    repeated = site.ask("POST", "/v1/tokens", {"name": "ci"}, headers=headers).json["secret"]

    with site.parts.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM idempotency").all()

    assert repeated == secret
    assert secret not in repr(rows)
    assert secret[4:20].encode() not in rows[0].answer
    assert "a-telling-key" not in repr(rows)


def test_other_methods_ignore_the_key(site: Site) -> None:
    """The key counts on POST only."""
    create(site)

    assert site.ask("PATCH", "/v1/boards/lamp", {"type": "x"}, headers=KEY).status_int == 200
    assert site.ask("PATCH", "/v1/boards/lamp", {"type": "y"}, headers=KEY).status_int == 200
