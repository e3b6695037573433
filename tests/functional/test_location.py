"""Where boards are and were: history in pages, near a place."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.site import BASE_URL, Site, fault


def place(latitude: float, longitude: float) -> list[dict[str, str]]:
    """Return a location as clients send it."""
    return [{"latitude": str(latitude), "longitude": str(longitude), "altitude": "0"}]


def board(site: Site, name: str, latitude: float, longitude: float) -> None:
    """Make a board somewhere."""
    body = {"name": name, "location": place(latitude, longitude)}
    assert site.ask("POST", "/v1/boards", body, token="member").status_int == 201


def near(site: Site, text: str) -> list[str]:
    """Return the names of the boards within a circle."""
    answer = site.ask("GET", f"/v1/boards?near={text}", token="member")
    assert answer.status_int == 200, answer.text
    return sorted(row["name"] for row in answer.json["boards"])


def test_history_in_pages(site: Site) -> None:
    """D-19: a PATCH moves the board, and where it was stays known."""
    board(site, "porch", 1, 1)
    for step in range(2, 5):
        site.clock.advance(1)
        sent = {"location": place(step, step)}
        assert site.ask("PATCH", "/v1/boards/porch", sent, token="member").status_int == 200

    def page(path: str) -> Any:
        answer = site.ask("GET", path, token="reader")
        assert answer.status_int == 200, answer.text
        return answer.json

    first = page("/v1/boards/porch/locations?limit=3&sort_dir=desc")
    second = page(first["next"].removeprefix(BASE_URL))
    assert [row["latitude"] for row in first["locations"]] == ["4", "3", "2"]
    assert [row["latitude"] for row in second["locations"]] == ["1"]
    assert "next" not in second
    assert page("/v1/boards/porch")["location"][0]["latitude"] == "4"
    other = site.ask("GET", "/v1/boards/porch/locations", token="stranger")
    assert other.status_int == 404
    bad = site.ask("GET", f"/v1/boards/porch/locations?marker={'f' * 36}", token="reader")
    assert bad.status_int == 400


def test_near(site: Site) -> None:
    """By the newest place, in metres, also where maps end."""
    board(site, "lausanne", 46.52, 6.63)
    board(site, "paris", 48.86, 2.35)
    board(site, "east", 0, 179.999)
    board(site, "west", 0, -179.999)
    board(site, "pole", 89.9999, 0)
    site.ask("POST", "/v1/boards", {"name": "nowhere"}, token="member")

    assert near(site, "46.5,6.6,5000") == ["lausanne"]
    assert near(site, "46.5,6.6,420000") == ["lausanne", "paris"]
    assert near(site, "0,180,200") == ["east", "west"]
    assert near(site, "90,-120,50") == ["pole"]
    assert near(site, "46.52,6.63,0") == ["lausanne"]
    assert near(site, "0,0,20100000") == ["east", "lausanne", "paris", "pole", "west"]
    site.ask("PATCH", "/v1/boards/paris", {"location": place(46.52, 6.64)}, token="member")
    assert near(site, "46.5,6.6,5000") == ["lausanne", "paris"]


@pytest.mark.parametrize("text", ["1,2", "91,0,1", "0,181,1", "0,0,-1", "a,b,c", "nan,0,1"])
def test_bad_circles(site: Site, text: str) -> None:
    """The field and the rule are named."""
    answer = site.ask("GET", f"/v1/boards?near={text}", token="member")

    assert answer.status_int == 400
    assert "near" in fault(answer)


@pytest.mark.parametrize(
    ("latitude", "longitude"), [("91", "0"), ("0", "-181"), ("north", "0"), ("nan", "0")]
)
def test_bad_coordinates(site: Site, latitude: str, longitude: str) -> None:
    """D-25: coordinates are checked on create and on update."""
    where = [{"latitude": latitude, "longitude": longitude, "altitude": "0"}]
    board(site, "porch", 1, 1)

    made = site.ask("POST", "/v1/boards", {"name": "x", "location": where}, token="member")
    moved = site.ask("PATCH", "/v1/boards/porch", {"location": where}, token="member")

    assert (made.status_int, moved.status_int) == (400, 400)
