"""Quotas: limits, who may change them, and that nobody gets past one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from iotronic_mec.context import system_context
from iotronic_mec.counted import Rate
from iotronic_mec.features.quota.commands import QuotaCommands
from tests.fakes.site import Site, fault, open_site

LIMITS = {"boards": 3, "fleets": 1, "services": 1, "tokens": 4, "users": 3, "grants": 1}
"""Defaults of the cloud of these tests; the rest has none."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Give a cloud with small quotas, a member and a stranger in another project."""
    with open_site(tmp_path, quotas=LIMITS) as made:
        made.add("member", "member")
        made.add_project("elsewhere")
        made.add("stranger", "member", project="elsewhere")
        yield made


def limits(answer: Any) -> dict[str, tuple[int, int]]:
    """Return limit and use by resource."""
    return {each["resource"]: (each["limit"], each["used"]) for each in answer.json["quotas"]}


def make_boards(site: Site, *names: str, token: str = "member") -> list[int]:
    """Make boards; return the statuses."""
    return [
        site.ask("POST", "/v1/boards", {"name": name}, token=token).status_int for name in names
    ]


def test_the_last_one_that_may_be(site: Site) -> None:
    """What the limit allows is made; one more is refused with resource, limit and use."""
    made = make_boards(site, "a", "b", "c")

    refused = site.ask("POST", "/v1/boards", {"name": "d"}, token="member")

    assert made == [201, 201, 201]
    assert refused.status_int == 403
    assert refused.json["code"] == "iot.quota.exceeded"
    assert refused.json["details"] == {"resource": "boards", "limit": 3, "used": 3, "wanted": 1}
    assert "3 boards" in fault(refused)
    assert make_boards(site, "mine", token="stranger") == [201]


def test_room_comes_back(site: Site) -> None:
    """What is deleted does not count any more."""
    make_boards(site, "a", "b", "c")

    site.ask("DELETE", "/v1/boards/a", token="member")

    assert make_boards(site, "d") == [201]


def test_a_repeated_request_counts_once(site: Site) -> None:
    """With its Idempotency-Key the last one that may be can be asked for again."""
    make_boards(site, "a", "b")
    key = {"Idempotency-Key": "once"}

    first = site.ask("POST", "/v1/boards", {"name": "c"}, token="member", headers=key)
    again = site.ask("POST", "/v1/boards", {"name": "c"}, token="member", headers=key)

    assert (first.status_int, again.status_int) == (201, 201)
    assert first.json["uuid"] == again.json["uuid"]


@pytest.mark.parametrize(
    ("path", "bodies"),
    [
        ("/v1/fleets", [{"name": "a"}, {"name": "b"}]),
        (
            "/v1/services",
            [
                {"name": "a", "port": 22, "protocol": "TCP"},
                {"name": "b", "port": 23, "protocol": "TCP"},
            ],
        ),
    ],
)
def test_other_nouns(site: Site, path: str, bodies: list[dict[str, Any]]) -> None:
    """Each noun has its own limit."""
    answers = [site.ask("POST", path, body, token="member") for body in bodies]

    assert [answer.status_int for answer in answers] == [201, 403]
    assert answers[1].json["code"] == "iot.quota.exceeded"


def test_users_and_tokens(site: Site) -> None:
    """Users and tokens of a project count too."""
    user = {"name": "one", "password": "a long password", "project": "default"}
    first = site.ask("POST", "/v1/users", user)
    second = site.ask("POST", "/v1/users", {**user, "name": "two"})
    tokens = [
        site.ask("POST", "/v1/tokens", {"name": f"t{n}"}, token="member").status_int
        for n in range(3)
    ]

    assert (first.status_int, second.status_int) == (201, 403)
    assert tokens == [201, 201, 403]


def test_nobody_gets_past_it_at_once(site: Site) -> None:
    """Of many that come at the same time, as many are made as may be."""
    statuses: list[int] = []
    go = threading.Barrier(12)

    def make(name: str) -> None:
        go.wait(10)
        statuses.extend(make_boards(site, name))

    threads = [threading.Thread(target=make, args=(f"b{n}",)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(statuses) == [201] * 3 + [403] * 9
    assert limits(site.ask("GET", "/v1/quotas", token="member"))["boards"] == (3, 3)


def test_everybody_sees_the_own_ones(site: Site) -> None:
    """A member sees limits and use of the own project, and of no other."""
    make_boards(site, "a")
    own = site.ask("GET", "/v1/quotas", token="member")

    assert limits(own)["boards"] == (3, 1)
    assert limits(own)["plugins"] == (-1, 0)
    assert site.ask("GET", "/v1/quotas/elsewhere", token="member").status_int == 403
    assert site.ask("GET", "/v1/quotas", token="stranger").json["project"] != own.json["project"]


def test_an_administrator_gives_one_project_another_limit(site: Site) -> None:
    """A limit set counts at once, for that project only; reset gives the default again."""
    changed = site.ask("PUT", "/v1/quotas/elsewhere", {"limits": {"boards": 4, "fleets": -1}})
    four = make_boards(site, "a", "b", "c", "d", "e", token="stranger")
    reset = site.ask("DELETE", "/v1/quotas/elsewhere?resource=boards")
    after = limits(site.ask("GET", "/v1/quotas/elsewhere"))

    assert limits(changed)["boards"] == (4, 0)
    assert four == [201, 201, 201, 201, 403]
    assert reset.status_int == 204
    assert (after["boards"], after["fleets"]) == ((3, 4), (-1, 0))
    assert make_boards(site, "f", token="stranger") == [403]
    assert site.ask("DELETE", "/v1/quotas/elsewhere").status_int == 204
    assert limits(site.ask("GET", "/v1/quotas/elsewhere"))["fleets"] == (1, 0)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_members_change_none(site: Site, method: str) -> None:
    """Nobody raises the own limits."""
    body = {"limits": {"boards": 9}} if method == "PUT" else None

    assert site.ask(method, "/v1/quotas/default", body, token="member").status_int == 403


@pytest.mark.parametrize(
    "given",
    [{}, {"boards": -2}, {"boards": "many"}, {"Boards": 1}, {"boards": 2**60}, {"planets": 1}],
)
def test_bad_limits(site: Site, given: dict[str, Any]) -> None:
    """A limit that cannot be is a bad request, and changes nothing."""
    before = limits(site.ask("GET", "/v1/quotas/default"))

    answer = site.ask(
        "PUT", "/v1/quotas/default", {"limits": {"fleets": 5, **given} if given else {}}
    )

    assert answer.status_int == 400
    assert limits(site.ask("GET", "/v1/quotas/default")) == before


def test_unknown_projects_and_resources(site: Site) -> None:
    """What is not there is said so."""
    assert site.ask("GET", "/v1/quotas/nowhere").status_int == 404
    assert site.ask("PUT", "/v1/quotas/nowhere", {"limits": {"boards": 1}}).status_int == 404
    answer = site.ask("DELETE", "/v1/quotas/default?resource=planets")
    assert (answer.status_int, answer.json["code"]) == (400, "iot.quota.unknown_resource")


def test_changes_are_in_the_audit(site: Site) -> None:
    """Who gave which limits is known afterwards."""
    site.ask("PUT", "/v1/quotas/elsewhere", {"limits": {"boards": 4}})
    site.ask("DELETE", "/v1/quotas/elsewhere")

    rows = site.ask("GET", "/v1/audit?sort_dir=desc&limit=2").json["audit"]

    assert [(row["action"], row["details"]) for row in rows] == [
        ("quota.reset", {"resource": None}),
        ("quota.update", {"boards": 4}),
    ]


def test_limits_go_with_their_project(site: Site) -> None:
    """A project of the same name later begins with the defaults."""
    site.add_project("short")
    site.ask("PUT", "/v1/quotas/short", {"limits": {"boards": 7}})
    assert site.ask("DELETE", "/v1/projects/short").status_int == 204

    rows = site.parts.database.write(
        lambda connection: connection.exec_driver_sql("SELECT COUNT(*) FROM quota").scalar()
    )

    assert rows == 0


def test_bytes(site: Site) -> None:
    """The room for bundles has a limit of its own for one project as well."""
    site.ask("PUT", "/v1/quotas/default", {"limits": {"bytes": 10}})

    answer = site.ask("POST", "/v1/plugins", {"name": "p", "code": "x = 1\n" * 10}, token="member")

    assert (answer.status_int, answer.json["code"]) == (413, "iot.blob.quota_exceeded")
    site.ask("PUT", "/v1/quotas/default", {"limits": {"bytes": -1}})
    again = site.ask("POST", "/v1/plugins", {"name": "p", "code": "x = 1\n" * 10}, token="member")
    assert again.status_int == 201
    assert limits(site.ask("GET", "/v1/quotas/default"))["bytes"][1] > 0


def test_rates(tmp_path: Path) -> None:
    """Over the rate it is 429, with Retry-After, in the shape of every error."""
    with open_site(tmp_path, user_rate=Rate(per_s=0.5, burst=2)) as site:
        site.add("member", "member")
        passed = [site.ask("GET", "/v1/boards", token="member").status_int for _ in range(2)]
        refused = site.ask("GET", "/v1/boards", token="member")
        other = site.ask("GET", "/v1/boards")
        public = site.ask("GET", "/v1", token=None)
        site.clock.advance(2)
        again = site.ask("GET", "/v1/boards", token="member")

    assert passed == [200, 200]
    assert (refused.status_int, refused.headers["Retry-After"]) == (429, "2")
    assert refused.json["code"] == "iot.rate.limited"
    assert (other.status_int, public.status_int, again.status_int) == (200, 200, 200)


def test_what_the_gateway_answered_counts(tmp_path: Path) -> None:
    """The gateway's question tells what it has answered, and it is told how much is left."""

    def ask(site: Site, served: str | None) -> Any:
        environ = {} if served is None else {"iotronic.served": served}
        return site.ask("GET", "/v1/whoami", token="member", environ=environ)

    with open_site(tmp_path, user_rate=Rate(per_s=1, burst=10)) as site:
        site.add("member", "member")
        answers = [ask(site, served) for served in ("0", "4", None, "30", "0")]
        site.clock.advance(20)
        in_debt = ask(site, "0")
        site.clock.advance(10)
        again = ask(site, "0")

    assert [answer.status_int for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer.headers.get("X-IoT-Requests-Left") for answer in answers[:3]] == [
        "9",
        "4",
        None,
    ]
    assert (in_debt.status_int, again.status_int) == (429, 200)


def test_every_route_documents_its_429(tmp_path: Path) -> None:
    """OpenAPI says of every route with credentials that there may be too many requests."""
    with open_site(tmp_path) as site:
        paths = site.ask("GET", "/v1/openapi.json").json["paths"]

    closed = [op for path in paths.values() for op in path.values() if op["security"]]
    lacking = [
        op["operationId"]
        for op in closed
        if "Retry-After" not in op["responses"]["429"]["headers"]
    ]
    assert closed and lacking == []


def test_a_project_as_keystone_spells_it(site: Site) -> None:
    """A limit for a project's id without dashes is the limit of that project."""
    project = "0f3c8a52-4b1e-4c7d-9a66-5d2e8b7f1c90"
    settings = replace(site.parts.settings, auth_strategy="keystone")
    commands = QuotaCommands(replace(site.parts, settings=settings), {})

    commands.update(system_context(), project=project.replace("-", ""), limits={"boards": 2})

    with site.parts.database.read() as connection:
        assert site.parts.quota.limit(connection, project, "boards") == 2
    [shown] = [
        each["limit"]
        for each in commands.show(system_context(), project=project.upper())["quotas"]
        if each["resource"] == "boards"
    ]
    assert shown == 2
