"""Services over HTTP: who sees and changes them, and what they may say."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.site import BASE_URL, Site, fault


def service(site: Site, name: str = "ssh", token: str = "member", **more: Any) -> dict[str, Any]:
    """Make a service and return it."""
    body = {"name": name, "port": 22, "protocol": "TCP", **more}
    answer = site.ask("POST", "/v1/services", body, token=token)
    assert answer.status_int == 201, answer.text
    return dict(answer.json)


def names(site: Site, path: str, token: str = "member") -> list[str]:
    """Return the names in a list."""
    answer = site.ask("GET", path, token=token)
    assert answer.status_int == 200, answer.text
    return [item["name"] for item in answer.json["services"]]


def test_the_life_of_a_service(site: Site) -> None:
    """Created, shown, changed by strings as upstream's client sends them, deleted."""
    made = service(site, port="2222", protocol="udp")
    assert (made["port"], made["protocol"], made["public"]) == (2222, "UDP", False)

    changed = site.ask(
        "PATCH",
        "/v1/services/ssh",
        {"name": "shell", "port": "22", "protocol": "ANY", "extra": '{"a": true}'},
        token="member",
    )

    assert changed.status_int == 200, changed.text
    shown = site.ask("GET", f"/v1/services/{made['uuid']}", token="reader").json
    assert (shown["name"], shown["port"], shown["protocol"]) == ("shell", 22, "ANY")
    assert shown["extra"] == {"a": True}
    assert site.ask("DELETE", "/v1/services/shell", token="member").status_int == 204
    assert site.ask("GET", "/v1/services/shell", token="member").status_int == 404


def test_lists(site: Site) -> None:
    """Short and whole lists, in pages whose ``next`` keeps path and arguments."""
    for name in ("a", "b", "c"):
        service(site, name)

    short = site.ask("GET", "/v1/services", token="member").json["services"][0]
    first = site.ask(
        "GET",
        "/v1/services/detail?limit=2&fields=name&sort_key=name&sort_dir=desc",
        token="member",
    ).json
    second = site.ask("GET", first["next"].removeprefix(BASE_URL), token="member").json

    assert set(short) == {"uuid", "name", "project", "port", "protocol", "extra", "links"}
    assert first["services"] == [{"name": "c"}, {"name": "b"}]
    assert second == {"services": [{"name": "a"}]}


def test_tenants_are_apart(site: Site) -> None:
    """D-02: a list holds the own project's services, and public ones where asked for."""
    service(site, "own")
    service(site, "private", "stranger")
    service(site, "shared", "stranger", public=True)

    assert names(site, "/v1/services") == ["own"]
    assert names(site, "/v1/services?with_public=true") == ["own", "shared"]
    assert names(site, "/v1/services/public") == ["shared"]
    assert names(site, "/v1/services?all_services=True", "admin") == ["own", "private", "shared"]
    refused = site.ask("GET", "/v1/services?all_services=true", token="member")
    assert (refused.status_int, "all_services" in fault(refused)) == (400, True)


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_others_services_are_not_there(site: Site, method: str) -> None:
    """Another project's private service is a 404 like one that does not exist (D-15)."""
    theirs = service(site, "private", "stranger")["uuid"]
    body = {"port": 1} if method == "PATCH" else None

    answers = [
        site.ask(method, f"/v1/services/{ident}", body, token="member")
        for ident in (theirs, "11111111-2222-4333-8444-555555555555")
    ]

    assert [answer.status_int for answer in answers] == [404, 404]
    assert fault(answers[0]) == f"service {theirs} could not be found"


def test_owners_change_their_own(site: Site) -> None:
    """D-05: not only administrators; a public one of others is used and not changed."""
    shared = service(site, "shared", "stranger", public=True)["uuid"]
    path = f"/v1/services/{shared}"

    assert site.ask("GET", path, token="reader").status_int == 200
    assert site.ask("PATCH", path, {"port": 1}, token="member").status_int == 403
    assert site.ask("DELETE", path, token="member").status_int == 403
    assert site.ask("PATCH", path, {"port": 1}, token="stranger").status_int == 200
    assert site.ask("DELETE", path, token="stranger").status_int == 204


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("port", 0),
        ("port", "65536"),
        ("port", -1),
        ("port", None),
        ("port", "ssh"),
        ("protocol", "ICMP"),
        ("protocol", 6),
        ("name", "a b"),
        ("project", "11111111-1111-4111-8111-111111111111"),
    ],
)
def test_nonsense_is_refused(site: Site, field: str, value: Any) -> None:
    """D-25, D-06: what is out of range, unknown or not the tenant's to set is a 400."""
    service(site)
    body = {"name": "other", "port": 22, "protocol": "TCP", field: value}

    created = site.ask("POST", "/v1/services", body, token="member")
    changed = site.ask("PATCH", "/v1/services/ssh", {field: value}, token="member")

    for answer in (created, changed):
        assert answer.status_int == 400
        assert field in fault(answer)


def test_names_are_a_projects_own(site: Site) -> None:
    """One name twice in a project is a 409; two projects may use the same."""
    service(site)
    service(site, "web")
    service(site, token="stranger")

    again = site.ask("POST", "/v1/services", {"name": "ssh", "port": 22}, token="member")
    renamed = site.ask("PATCH", "/v1/services/web", {"name": "ssh"}, token="member")

    assert (again.status_int, again.json["code"]) == (409, "iot.service.exists")
    assert (renamed.status_int, renamed.json["code"]) == (409, "iot.service.exists")


def test_a_repeated_request_finds_the_first(site: Site) -> None:
    """The same Idempotency-Key gives the same service, not a second or a 409."""
    body, headers = {"name": "ssh", "port": 22}, {"Idempotency-Key": "one"}

    first = site.ask("POST", "/v1/services", body, token="member", headers=headers)
    second = site.ask("POST", "/v1/services", body, token="member", headers=headers)

    assert first.json["uuid"] == second.json["uuid"]


def test_a_project_with_services_stays(site: Site) -> None:
    """A project cannot be deleted under its services."""
    site.add_project("third")
    site.add("other", "member", project="third")
    service(site, token="other")
    site.ask("DELETE", "/v1/users/other")

    refused = site.ask("DELETE", "/v1/projects/third")

    assert (refused.status_int, refused.json["code"]) == (409, "iot.project.has_services")
