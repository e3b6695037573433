"""Rights: nothing is open by accident, and nobody gets past the rule of a route."""

from __future__ import annotations

from pathlib import Path

import pytest

from iotronic_mec.api import system
from iotronic_mec.api.app import table
from iotronic_mec.api.gaps import gaps
from iotronic_mec.api.policy import Policies
from iotronic_mec.clock import Clock, ManualClock
from iotronic_mec.context import Context
from iotronic_mec.feature import PUBLIC, Feature, Policy, Route
from iotronic_mec.registry import FEATURES
from tests.fakes.site import Site, fault

ROUTES = [route for feature in FEATURES for route in feature.routes]
GUARDED = [route for route in ROUTES if route.policy != PUBLIC]
OPEN_ADDRESSES = {
    "/",
    "/v1",
    "/healthcheck",
    "/docs",
    "/docs/docs.css",
    "/docs/docs.js",
    "/v1/openapi.json",
}


def filled(route: Route) -> str:
    """Return the route's path with something in place of its parameters."""
    parts = ["x" if part.startswith("{") else part for part in route.path.split("/")]
    return "/".join(parts)


def name_of(route: Route) -> str:
    """Return a test's name."""
    return f"{route.method} {route.path}"


def handle(call: object) -> None:
    """Do nothing."""


def planted(**changes: object) -> Feature:
    """Return a feature whose one route is whole but for the changes."""
    given: dict[str, object] = {
        "method": "GET",
        "path": "/v1/planted",
        "handler": handle,
        "policy": "iot:planted:get",
        "summary": "Do nothing",
        "answer": system.Health,
    }
    policy = Policy(
        name="iot:planted:get",
        check="rule:iot_reader",
        description="Do nothing",
        operations=(("GET", "/v1/planted"),),
    )
    route = Route(**(given | changes))  # type: ignore[arg-type]
    return Feature(name="planted", routes=(route,), policies=(policy,))


def lacks(*features: Feature) -> list[str]:
    """Return what the routes of these features lack."""
    rules = Policies(features, Clock()).names
    return gaps(features, rules, system.routes(features))


def test_every_route_is_whole() -> None:
    """Every route has a rule that names it, a schema and documentation."""
    assert lacks(*FEATURES) == []


def test_a_whole_planted_route_passes() -> None:
    """The check finds nothing in a route that has everything."""
    assert lacks(planted()) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"policy": ""}, "has no policy"),
        ({"policy": "iot:planted:other"}, "which no feature defines"),
        ({"path": "/v1/elsewhere"}, "is not among the operations"),
        ({"summary": " "}, "has no summary"),
        ({"answer": None}, "has no schema of its answer"),
        ({"method": "POST"}, "has no schema of its body"),
    ],
)
def test_a_planted_gap_is_found(change: dict[str, object], found: str) -> None:
    """A route without rule, schema or documentation is found."""
    assert any(found in sentence for sentence in lacks(planted(**change)))


def test_open_addresses() -> None:
    """Only what is meant to be is open to anyone."""
    assert {route.path for route in table(FEATURES).routes if route.policy == PUBLIC} == (
        OPEN_ADDRESSES
    )


@pytest.mark.parametrize("route", GUARDED, ids=name_of)
def test_without_credentials(shared_site: Site, route: Route) -> None:
    """Every guarded route answers 401 to nobody, before it reads the body."""
    answer = shared_site.ask(route.method, filled(route), token=None, body=b"{not json")

    assert answer.status_int == 401


@pytest.mark.parametrize("route", GUARDED, ids=name_of)
def test_without_rights(shared_site: Site, route: Route) -> None:
    """Every guarded route answers 403 to a user without a known role."""
    answer = shared_site.ask(route.method, filled(route), token="nobody", body=b"{not json")

    assert answer.status_int == 403
    assert answer.json["code"] == "iot.policy.forbidden"


def test_right_comes_before_the_body(shared_site: Site) -> None:
    """Who may not, learns nothing of what is wrong with the body."""
    answer = shared_site.ask("POST", "/v1/users", {"unknown": 1}, token="member")

    assert answer.status_int == 403
    assert "iot:user:create" in fault(answer)


def context(*roles: str, project: str = "p", user: str = "u") -> Context:
    """Return the context of somebody with these roles."""
    return Context(user=user, project=project, roles=roles)


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("admin", {"iot_admin", "iot_manager", "iot_member", "iot_reader"}),
        ("administrator", {"iot_admin", "iot_manager", "iot_member", "iot_reader"}),
        ("member", {"iot_manager", "iot_member", "iot_reader"}),
        ("admin_iot_project", {"iot_manager", "iot_member", "iot_reader"}),
        ("manager_iot_project", {"iot_manager", "iot_member", "iot_reader"}),
        ("user_iot", {"iot_member", "iot_reader"}),
        ("reader", {"iot_reader"}),
        ("other", set()),
    ],
)
def test_roles(role: str, may: set[str]) -> None:
    """Each role, upstream's included, holds what the table says."""
    policies = Policies((), Clock())
    levels = ("iot_admin", "iot_manager", "iot_member", "iot_reader")

    assert {rule for rule in levels if policies.allows(rule, context(role), {})} == may


def test_users_of_upstream_make_no_boards(site: Site) -> None:
    """The role user_iot changes boards, and neither makes nor deletes one."""
    site.add("user", "user_iot")
    site.ask("POST", "/v1/boards", {"name": "hers"}, token="member")

    made = site.ask("POST", "/v1/boards", {"name": "mine"}, token="user")
    changed = site.ask("PATCH", "/v1/boards/hers", {"type": "gateway"}, token="user")
    deleted = site.ask("DELETE", "/v1/boards/hers", token="user")
    code = site.ask("POST", "/v1/boards/hers/enrolment-code", {}, token="user")

    assert made.status_int == deleted.status_int == code.status_int == 403
    assert changed.status_int == 200
    assert site.ask("DELETE", "/v1/boards/hers", token="member").status_int == 204


def test_unknown_rule_denies() -> None:
    """A rule that nobody defined lets not even administrators pass."""
    assert not Policies((), Clock()).allows("iot:no:such", context("admin"), {})


def test_verdicts_are_not_mixed_up() -> None:
    """A remembered verdict holds for the same target only."""
    policies = Policies((), Clock())
    mine, other = {"project": "p", "user": "u"}, {"project": "q", "user": "v"}

    assert policies.allows("iot_own_project", context("reader"), mine)
    assert not policies.allows("iot_own_project", context("reader"), other)
    assert policies.allows("iot_own_project", context("reader", project="q"), other)
    assert not policies.allows("iot_self", context("reader"), other)


def test_policy_file_overrides(tmp_path: Path) -> None:
    """A rule of the operator's file replaces the default; a change counts soon."""
    file, clock = tmp_path / "policy.yaml", ManualClock()
    file.write_text('"iot:planted:get": "role:member"\n')
    policies = Policies((planted(),), clock, file)
    assert not policies.allows("iot:planted:get", context("reader"), {})

    file.write_text('"iot:planted:get": "role:reader"\n# a longer file\n')
    clock.advance(11)

    assert policies.allows("iot:planted:get", context("reader"), {})
