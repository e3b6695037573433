"""Actions of boards and fleets over HTTP: parameters, answers, results in pages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text

from tests.fakes.boards import end_as, succeed
from tests.fakes.site import BASE_URL, Site, fault

AGENT = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"


def online(site: Site, name: str, **more: Any) -> str:
    """Make a board that is online; return its uuid."""
    made = site.ask("POST", "/v1/boards", {"name": name, **more}, token="member").json
    site.parts.database.write(
        lambda connection: connection.execute(
            text(
                "UPDATE board SET status = 'online', session = '7', agent = :agent,"
                " public_key = :key WHERE uuid = :uuid"
            ),
            {"agent": AGENT, "key": "0" * 64, "uuid": made["uuid"]},
        )
    )
    return str(made["uuid"])


def act(site: Site, action: str, parameters: Any = None, board: str = "porch", **more: Any) -> Any:
    """Order an action."""
    body = {"action": action, **({} if parameters is None else {"parameters": parameters}), **more}
    return site.ask("POST", f"/v1/boards/{board}/action", body, token="member")


def test_answers_are_json_strings(site: Site) -> None:
    """Whatever the board says comes as a string, which upstream's clients print."""
    online(site, "porch")
    site.boards.answer = succeed({"interfaces": [{"name": "lo"}]})

    answer = act(site, "DeviceNetConfig")

    assert answer.status_int == 200
    assert isinstance(answer.json, str)
    assert json.loads(answer.json) == {"interfaces": [{"name": "lo"}]}


@pytest.mark.parametrize(
    ("action", "given", "sent"),
    [
        ("DeviceReboot", {"delay": "5"}, {"delay_s": 5.0}),
        ("DeviceRestartLR", {}, {"delay_s": 3.0}),
        ("DeviceRestSubmit", {"url": "http://a.example/x?y=1", "method": "get"}, None),
        ("DeviceFactoryReset", {"identity": "drop"}, {"identity": "drop"}),
    ],
)
def test_upstreams_words_are_translated(
    site: Site, action: str, given: dict[str, Any], sent: dict[str, Any] | None
) -> None:
    """Parameters in upstream's names and types reach the board in ours."""
    online(site, "porch")

    answer = act(site, action, given)

    assert answer.status_int == 200, answer.text
    [(_, _, call)] = site.boards.calls
    assert call.action == action
    assert sent is None or call.parameters == sent


def test_a_rest_submit_is_put_together(site: Site) -> None:
    """params, json, cookies and auth become one plain request."""
    online(site, "porch")

    answer = act(
        site,
        "DeviceRestSubmit",
        {
            "url": "https://a.example/p?x=1#f",
            "method": "post",
            "params": {"q": "a b"},
            "json": {"k": [1]},
            "cookies": {"c": "1"},
            "auth": ["u", "p"],
            "allow_redirects": "true",
            "timeout": 3,
        },
    )

    assert answer.status_int == 200, answer.text
    [(_, _, call)] = site.boards.calls
    assert call.parameters == {
        "url": "https://a.example/p?x=1&q=a+b",
        "method": "POST",
        "headers": {
            "Content-Type": "application/json",
            "Cookie": "c=1",
            "Authorization": "Basic dTpw",
        },
        "body": '{"k": [1]}',
        "timeout_s": 3.0,
        "redirects": 5,
        "verify": True,
    }


@pytest.mark.parametrize(
    ("action", "parameters", "field"),
    [
        ("DeviceDance", {}, "action"),
        ("DeviceMountFs", {}, "action"),
        ("DevicePing", {"say": "x"}, "parameters.say"),
        ("DeviceEcho", {"say": "x" * 65_537}, "parameters.say"),
        ("DeviceEcho", {"shout": "x"}, "parameters.shout"),
        ("DeviceReboot", {"delay": 2}, "parameters.delay"),
        ("DeviceReboot", {"delay": "soon"}, "parameters.delay"),
        ("DeviceUpgradeLR", {"version": "1; reboot"}, "parameters.version"),
        ("DeviceUpgradeLR", {"update_conf": "true"}, "parameters.update_conf"),
        ("DevicePkgOperation", {"manager": "pip"}, "parameters.command"),
        (
            "DevicePkgOperation",
            {"manager": "pip", "command": "install", "package": "-e ."},
            "parameters.package",
        ),
        (
            "DevicePkgOperation",
            {"manager": "apt", "command": "install", "package": "x", "options": "-o a=b"},
            "parameters.options",
        ),
        ("DeviceRestSubmit", {"method": "GET"}, "parameters.url"),
        ("DeviceRestSubmit", {"method": "GET", "url": "file:///etc/passwd"}, "parameters.url"),
        ("DeviceRestSubmit", {"method": "TRACE", "url": "http://a"}, "parameters.method"),
        (
            "DeviceRestSubmit",
            {"method": "GET", "url": "http://a", "files": {"f": "/etc/passwd"}},
            "parameters.files",
        ),
        (
            "DeviceRestSubmit",
            {"method": "GET", "url": "http://a", "cert": "/etc/key"},
            "parameters.cert",
        ),
        (
            "DeviceRestSubmit",
            {"method": "GET", "url": "http://a", "headers": {"Host": "b"}},
            "parameters.headers",
        ),
        (
            "DeviceRestSubmit",
            {"method": "GET", "url": "http://a", "headers": {"A": "b\r\nC: d"}},
            "parameters.headers",
        ),
        ("DeviceFactoryReset", {"identity": "sell"}, "parameters.identity"),
    ],
)
def test_bad_parameters_name_the_field(
    site: Site, action: str, parameters: dict[str, Any], field: str
) -> None:
    """D-19: nothing is swallowed; the board is not asked and no request is made."""
    online(site, "porch")

    answer = act(site, action, parameters)

    assert answer.status_int == 400, answer.text
    assert answer.json["details"]["field"].startswith(field), answer.text
    assert site.boards.calls == []
    assert site.ask("GET", "/v1/requests", token="member").json["requests"] == []


def test_refusals_of_the_owner(site: Site) -> None:
    """403 with what to write on the board."""
    online(site, "porch")
    site.boards.answer = end_as("rejected", "not_allowed", 'write allow = ["reboot"]')

    answer = act(site, "DeviceReboot")

    assert (answer.status_int, answer.json["code"]) == (403, "iot.board.not_allowed")
    assert "write allow" in fault(answer)


def test_long_work_is_accepted(site: Site) -> None:
    """202 with the request's address, whatever wait says."""
    online(site, "porch")
    parameters = {"manager": "apt", "command": "update"}

    answer = act(site, "DevicePkgOperation", parameters, wait=True)

    assert answer.status_int == 202
    assert answer.headers["Location"].startswith(f"{BASE_URL}/v1/requests/")


def test_a_fleet_acts_and_its_results_come_in_pages(site: Site) -> None:
    """One request of type 1 over all boards; results by page, state and board."""
    site.ask("POST", "/v1/fleets", {"name": "slope"}, token="member")
    uuids = [online(site, f"b-{number}", fleet="slope") for number in range(3)]
    off = site.ask("POST", "/v1/boards", {"name": "off", "fleet": "slope"}, token="member").json

    made = site.ask(
        "POST",
        "/v1/fleets/slope/action",
        {"action": "DeviceEcho", "parameters": {"say": "hi"}},
        token="member",
    )
    requests = site.commands["request"]
    for pool in (requests._pool, requests._fleet_pool):
        pool.shutdown(wait=True)

    assert (made.status_int, made.json["total"]) == (202, 4)
    path = f"/v1/requests/{made.json['request']}"
    request = site.ask("GET", path, token="reader").json
    assert (request["type"], request["total"], request["pending_requests"]) == (1, 4, 0)
    assert (request["status"], request["state"]) == ("COMPLETED", "failed")
    assert request["cause"]["counts"] == {"rejected": 1, "succeeded": 3}
    first = site.ask("GET", f"{path}/results?limit=3&fields=board_uuid,state,uuid", token="reader")
    assert len(first.json["results"]) == 3
    second = site.ask("GET", first.json["next"].removeprefix(BASE_URL), token="reader").json
    boards = [row["board_uuid"] for row in first.json["results"] + second["results"]]
    assert sorted(boards) == sorted([*uuids, off["uuid"]])
    [rejected] = site.ask("GET", f"{path}/results?state=rejected", token="reader").json["results"]
    assert (rejected["board_uuid"], rejected["result"]) == (off["uuid"], "ERROR")
    assert "is registered" in rejected["message"]
    one = site.ask("GET", f"{path}/results?board={uuids[0]}", token="reader").json["results"]
    assert [row["state"] for row in one] == ["succeeded"]
    assert site.ask("GET", f"{path}/results", token="stranger").status_int == 404


def test_fleets_of_others_cannot_be_ordered(site: Site) -> None:
    """Not there, by name and by uuid; an empty one of one's own is a 409."""
    theirs = site.ask("POST", "/v1/fleets", {"name": "theirs"}, token="stranger").json
    site.ask("POST", "/v1/fleets", {"name": "mine"}, token="member")
    body = {"action": "DevicePing"}

    for ident in ("theirs", theirs["uuid"]):
        answer = site.ask("POST", f"/v1/fleets/{ident}/action", body, token="member")
        assert answer.status_int == 404
    empty = site.ask("POST", "/v1/fleets/mine/action", body, token="member")

    assert (empty.status_int, empty.json["code"]) == (409, "iot.fleet.empty")


def test_requests_of_others_are_not_there(site: Site) -> None:
    """D-03, D-17: lists hold the own project's only, also in detail; unknown is 404."""
    online(site, "porch")
    act(site, "DevicePing")

    for path in ("/v1/requests", "/v1/requests/detail"):
        assert len(site.ask("GET", path, token="reader").json["requests"]) == 1
        assert site.ask("GET", path, token="stranger").json["requests"] == []
    unknown = "/v1/requests/00000000-0000-4000-8000-000000000000"
    assert site.ask("GET", unknown, token="reader").status_int == 404
