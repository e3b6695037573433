"""B2: every route for every role, in the own and in another project, by board state.

What is expected stands in ``authorization.csv``, written by hand from the rules and
not by a program: one line for a route and a state of the board (``any``: all three, ``-``:
no board), one column for a caller. The columns are explained in ``tests/fakes/matrix.py``.

The reasons behind the table: roles and what they may, in ``api/policy.py``; without a role 403,
without credentials 401, before anything else is looked at; another project's thing is a
404, and for those who have not even the right in their own project a 403; an administrator
acts on all; lists are everybody's, and hold the own project's things; what is lent of a board and
a plugin passes as if it were one's own, all else about them is a 404; what needs the board
online is a 400 otherwise, after the question whose it is.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from iotronic_mec.api.app import table
from iotronic_mec.api.controller import Call
from iotronic_mec.feature import Route
from iotronic_mec.features.fleet import api as fleet_api
from iotronic_mec.features.fleet import store as fleet_store
from iotronic_mec.features.fleet.model import Fleet, FleetNotFound
from iotronic_mec.registry import FEATURES
from tests.fakes.matrix import CALLERS, MARK, OUTSIDERS, Matrix, Seen, Things, people
from tests.fakes.site import open_site

STATES = ("registered", "offline", "online")
FILE = Path(__file__).with_name("authorization.csv")


def lines() -> list[dict[str, str]]:
    """Return the lines of the table."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


LINES = lines()
CELLS = [
    (line, state)
    for line in LINES
    for state in {"any": STATES, "-": ("online",)}.get(line["board"], (line["board"],))
]


def expected(line: dict[str, str]) -> dict[str, int]:
    """Return the statuses of a line."""
    return {column: int(line[column]) for column in CALLERS}


def missing(routes: tuple[Route, ...], table_: list[dict[str, str]]) -> set[str]:
    """Return the routes that have no line."""
    known = {f"{line['method']} {line['path']}" for line in table_}
    return {f"{route.method} {route.path}" for route in routes} - known


def leaks(seen: dict[str, Seen]) -> set[str]:
    """Return the outsiders who were told of a thing that is not theirs."""
    return {column for column in OUTSIDERS if MARK in seen[column].told}


def unlike(matrix: Matrix, line: dict[str, str], seen: dict[str, Seen]) -> set[str]:
    """Return the outsiders whose 404 is not that for a thing that does not exist."""
    method, path = line["method"], line["path"]
    return {
        column
        for column in ("member_other", "reader_other")
        if seen[column].status == 404
        and seen[column].told != matrix.nothing(method, path, CALLERS[column])
    }


def name_of(cell: object) -> str:
    """Return a test's name."""
    return f"{cell['method']} {cell['path']}" if isinstance(cell, dict) else str(cell)


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    """Give the people of two projects on one cloud."""
    with open_site(tmp_path_factory.mktemp("matrix")) as site:
        people(site)
        yield Matrix(site)


@pytest.mark.parametrize(("line", "state"), CELLS, ids=name_of)
def test_cell(matrix: Matrix, line: dict[str, str], state: str) -> None:
    """Each caller gets what the table says; what is not theirs is as if it were not there.

    No outsider is told of the thing, and a 404 for it is word for word that for
    nothing.
    """
    seen = matrix.row(line["method"], line["path"], state)

    assert {column: one.status for column, one in seen.items()} == expected(line)
    assert leaks(seen) == set()
    assert unlike(matrix, line, seen) == set()


@pytest.mark.parametrize("noun", ["board", "fleet", "plugin", "service"])
def test_names_of_others_are_not_there(matrix: Matrix, noun: str) -> None:
    """A name another project uses is answered like one that nobody uses."""
    things = Things(matrix.site, "online", 10_000)
    things.get(noun)
    nobodys = things.name.replace(MARK, "horse")

    answers = [
        matrix.site.ask("GET", f"/v1/{noun}s/{name}", token="away-member")
        for name in (things.name, nobodys)
    ]

    assert [answer.status_int for answer in answers] == [404, 404]
    texts = [answer.text.replace(MARK, "horse") for answer in answers]
    ids = [answer.headers["Openstack-Request-Id"] for answer in answers]
    assert texts[0].replace(ids[0], "") == texts[1].replace(ids[1], "")


def test_every_route_has_its_line() -> None:
    """A route that is not in the table is found; so is a line without a route."""
    routes = table(FEATURES).routes

    assert missing(routes, LINES) == set()
    known = {f"{route.method} {route.path}" for route in routes}
    assert {f"{line['method']} {line['path']}" for line in LINES} <= known


def test_a_missing_line_is_found() -> None:
    """The check above finds a route whose line was taken out."""
    routes = table(FEATURES).routes
    without = [line for line in LINES if line["path"] != "/v1/boards/{board}/ports/{port}"]

    assert missing(routes, without) == {
        "GET /v1/boards/{board}/ports/{port}",
        "DELETE /v1/boards/{board}/ports/{port}",
    }


def test_a_planted_leak_is_found(matrix: Matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lookup that forgets whose the thing is shows up in the statuses, and what it told."""

    def leaking(call: Call, ident: str) -> Fleet:
        with call.database.read() as connection:
            return fleet_store.get_fleet(connection, call.context.project, ident, every=True)

    monkeypatch.setattr(fleet_api, "_get", leaking)
    [line] = [line for line in LINES if (line["method"], line["path"]) == SHOW_FLEET]

    seen = matrix.row(*SHOW_FLEET, "online")

    right = expected(line)
    wrong = {column for column, one in seen.items() if one.status != right[column]}
    assert wrong == {"member_other", "user_iot_other", "reader_other", "member_granted"}
    assert leaks(seen) == {"member_other", "user_iot_other", "reader_other"}


def test_a_planted_word_is_found(matrix: Matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 404 that tells a stranger the thing's name is found, though its status is right."""

    def telling(call: Call, ident: str) -> Fleet:
        context = call.context
        with call.database.read() as connection:
            found = fleet_store.get_fleet(connection, context.project, ident, every=True)
        if found.project != context.project and not context.is_admin:
            raise FleetNotFound(f"fleet {found.name} could not be found")
        return found

    monkeypatch.setattr(fleet_api, "_get", telling)

    seen = matrix.row(*SHOW_FLEET, "online")

    [line] = [line for line in LINES if (line["method"], line["path"]) == SHOW_FLEET]
    assert seen["member_other"].status == 404
    assert unlike(matrix, line, seen) == {"member_other", "reader_other"}
    assert leaks(seen) == {"member_other", "user_iot_other", "reader_other"}


def test_an_administrators_acts_are_the_owners_to_see(matrix: Matrix) -> None:
    """What an administrator does to a project's thing is in that project's audit alone."""
    matrix.row("PATCH", "/v1/boards/{board}", "online")
    people = {"home-member": True, "away-member": False}

    seen = {
        name: "away-admin"
        in matrix.site.ask("GET", "/v1/audit?action=board.update", token=name).text
        for name in people
    }

    assert seen == people


SHOW_FLEET = ("GET", "/v1/fleets/{fleet}")
