"""Fleets over HTTP: who sees them, who is in them, what keeps one from going."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.fakes.site import BASE_URL, Site, fault


def fleet(site: Site, name: str = "fleet-1", token: str = "member", **more: Any) -> dict[str, Any]:
    """Make a fleet and return it."""
    answer = site.ask("POST", "/v1/fleets", {"name": name, **more}, token=token)
    assert answer.status_int == 201, answer.text
    return dict(answer.json)


def board(site: Site, name: str, token: str = "member", **more: Any) -> dict[str, Any]:
    """Make a board and return it."""
    answer = site.ask("POST", "/v1/boards", {"name": name, **more}, token=token)
    assert answer.status_int == 201, answer.text
    return dict(answer.json)


def names(site: Site, path: str, token: str = "member") -> list[str]:
    """Return the names in a list."""
    answer = site.ask("GET", path, token=token)
    assert answer.status_int == 200, answer.text
    [items] = [value for key, value in answer.json.items() if key != "next"]
    return [item["name"] for item in items]


def test_the_life_of_a_fleet(site: Site) -> None:
    """Created, shown, changed by strings as upstream's client sends them, deleted."""
    made = fleet(site, description="south slope", extra={"a": 1})
    assert set(made) >= {"uuid", "name", "project", "description", "extra", "created_at"}

    changed = site.ask(
        "PATCH",
        "/v1/fleets/fleet-1",
        {"name": "fleet-2", "extra": '{"b": 2}'},
        token="member",
    )
    shown = site.ask("GET", f"/v1/fleets/{made['uuid']}", token="reader").json

    assert (changed.status_int, shown["name"], shown["extra"]) == (200, "fleet-2", {"b": 2})
    assert shown["description"] == "south slope"
    assert site.ask("DELETE", "/v1/fleets/fleet-2", token="member").status_int == 204
    assert site.ask("GET", "/v1/fleets/fleet-2", token="member").status_int == 404


def test_detail_of_fleets_works(site: Site) -> None:
    """D-17: ``/detail`` shows all fields instead of failing."""
    fleet(site)

    [short] = site.ask("GET", "/v1/fleets", token="member").json["fleets"]
    [whole] = site.ask("GET", "/v1/fleets/detail", token="member").json["fleets"]

    assert set(short) == {"uuid", "name", "project", "description", "extra", "links"}
    assert "created_at" in whole


def test_lists_hold_the_own_project_only(site: Site) -> None:
    """D-03: an ordinary user's list is of the own project; an administrator names others."""
    fleet(site, "mine")
    theirs = fleet(site, "theirs", token="stranger")

    assert names(site, "/v1/fleets") == ["mine"]
    assert names(site, "/v1/fleets", token="stranger") == ["theirs"]
    assert names(site, f"/v1/fleets?project={theirs['project']}", token="admin") == ["theirs"]
    assert (
        site.ask("GET", f"/v1/fleets?project={theirs['project']}", token="member").status_int
        == 400
    )


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {}), ("DELETE", None)])
def test_fleets_of_others_are_not_there(site: Site, method: str, body: Any) -> None:
    """Another project's fleet is the same 404 as one that never was, also by uuid."""
    theirs = fleet(site, "theirs", token="stranger")

    found = site.ask(method, f"/v1/fleets/{theirs['uuid']}", body, token="member")
    never = site.ask(
        method, f"/v1/fleets/{'0' * 8}-0000-4000-8000-{'0' * 12}", body, token="member"
    )

    assert (found.status_int, found.json["code"]) == (404, "iot.fleet.not_found")
    assert fault(found).replace(theirs["uuid"], "X") == fault(never).replace(
        "00000000-0000-4000-8000-000000000000", "X"
    )
    assert site.ask("GET", "/v1/fleets/theirs", token="stranger").status_int == 200


def test_two_projects_with_one_name(site: Site) -> None:
    """B9: a name is taken within a project only; there it is a 409."""
    fleet(site, "same")
    fleet(site, "same", token="stranger")

    again = site.ask("POST", "/v1/fleets", {"name": "same"}, token="member")

    assert (again.status_int, again.json["code"]) == (409, "iot.fleet.exists")


def test_concurrent_creates_of_one_name(site: Site) -> None:
    """B9: of several creates at the same time one wins, the others get 409."""
    start, seen = threading.Barrier(6), list[int]()

    def make() -> None:
        start.wait(10)
        seen.append(site.ask("POST", "/v1/fleets", {"name": "race"}, token="member").status_int)

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(seen) == [201] + [409] * 5


def test_boards_of_a_fleet(site: Site) -> None:
    """By uuid and by name, with a slash and /detail, with status, in pages."""
    made = fleet(site)
    for number in range(3):
        board(site, f"in-{number}", fleet="fleet-1" if number else made["uuid"])
    board(site, "out")

    inside = ["in-0", "in-1", "in-2"]
    assert names(site, f"/v1/fleets/{made['uuid']}/boards/") == inside
    assert names(site, "/v1/fleets/fleet-1/boards") == inside
    assert names(site, "/v1/fleets/fleet-1/boards/detail?status=registered") == inside
    assert names(site, "/v1/fleets/fleet-1/boards?status=online") == []
    assert names(site, f"/v1/fleets/fleet-1/boards?project={made['project']}") == inside
    assert names(site, "/v1/boards?fleet=fleet-1") == inside
    first = site.ask(
        "GET", "/v1/fleets/fleet-1/boards/detail?limit=2&status=registered", token="member"
    ).json
    assert first["next"].startswith(f"{BASE_URL}/v1/fleets/fleet-1/boards/detail?")
    assert names(site, first["next"].removeprefix(BASE_URL)) == ["in-2"]
    assert site.ask("GET", "/v1/fleets/fleet-1/boards", token="stranger").status_int == 404


def test_a_board_changes_its_fleet(site: Site) -> None:
    """PATCH with a name, a uuid or null; the answer says the uuid."""
    first, second = fleet(site), fleet(site, "fleet-2")
    board(site, "porch", fleet="fleet-1")

    def put(value: str | None) -> Any:
        answer = site.ask("PATCH", "/v1/boards/porch", {"fleet": value}, token="member")
        assert answer.status_int == 200, answer.text
        return answer.json["fleet"]

    assert put("fleet-2") == second["uuid"]
    assert put(first["uuid"]) == first["uuid"]
    assert put(None) is None


@pytest.mark.parametrize("which", ["theirs", "uuid", "nowhere", "never"])
def test_an_unknown_fleet_is_refused(site: Site, which: str) -> None:
    """D-22: a board cannot be put into a fleet that is not there, or another project's."""
    theirs = fleet(site, "theirs", token="stranger")
    never = "00000000-0000-4000-8000-000000000000"
    named = {"uuid": theirs["uuid"], "never": never}.get(which, which)
    board(site, "porch")

    created = site.ask("POST", "/v1/boards", {"name": "hall", "fleet": named}, token="member")
    changed = site.ask("PATCH", "/v1/boards/porch", {"fleet": named}, token="member")

    assert (created.status_int, created.json["code"]) == (404, "iot.fleet.not_found")
    assert changed.status_int == 404
    assert names(site, "/v1/boards") == ["porch"]
    assert site.ask("GET", "/v1/boards/porch", token="member").json["fleet"] is None


def test_a_fleet_with_boards_stays(site: Site) -> None:
    """D-22: deletion is a 409 that says how many; release takes the boards out."""
    fleet(site)
    board(site, "porch", fleet="fleet-1")

    refused = site.ask("DELETE", "/v1/fleets/fleet-1", token="member")
    assert (refused.status_int, refused.json["code"]) == (409, "iot.fleet.in_use")
    assert refused.json["details"] == {"boards": 1}
    assert "1 board:" in fault(refused)

    assert site.ask("DELETE", "/v1/fleets/fleet-1?release=true", token="member").status_int == 204
    assert site.ask("GET", "/v1/boards/porch", token="member").json["fleet"] is None


def test_a_project_with_fleets_stays(site: Site) -> None:
    """A project is not deleted under its fleets."""
    project = fleet(site, token="stranger")["project"]
    site.ask("DELETE", "/v1/users/stranger")

    answer = site.ask("DELETE", f"/v1/projects/{project}")

    assert answer.status_int == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": "ok", "description": "x" * 301}, "description"),
        ({"name": "ok", "project": "p"}, "project"),
        ({"name": "ok", "extra": [1]}, "extra"),
    ],
)
def test_bad_bodies_name_the_field(site: Site, body: dict[str, Any], field: str) -> None:
    """What is wrong is named, and nothing is made."""
    answer = site.ask("POST", "/v1/fleets", body, token="member")

    assert answer.status_int == 400
    assert field in fault(answer)
    assert names(site, "/v1/fleets") == []


def test_repeated_create_makes_one(site: Site) -> None:
    """A create repeated with its Idempotency-Key gives the first one's fleet."""
    headers = {"Idempotency-Key": "key-1"}

    answers = [
        site.ask("POST", "/v1/fleets", {"name": "one"}, token="member", headers=headers)
        for _ in range(2)
    ]

    assert answers[0].json["uuid"] == answers[1].json["uuid"]
    assert names(site, "/v1/fleets") == ["one"]
