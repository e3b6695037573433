"""Plugins on all boards of a fleet by one request, over HTTP."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from iotronic_mec.operation import OPEN
from lightning_agent.protocol import names
from tests.fakes.boards import succeed
from tests.fakes.site import Site
from tests.functional.test_grant import bring_online, whoami

CODE = "def main(context):\n    return 1\n"
NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def slope(site: Site) -> Iterator[list[str]]:
    """Give a fleet of the member's with three boards online, one away, and two plugins."""
    site.ask("POST", "/v1/fleets", {"name": "slope"}, token="member")
    boards = [bring_online(site, f"b-{number}", fleet="slope") for number in range(3)]
    site.ask("POST", "/v1/boards", {"name": "away", "fleet": "slope"}, token="member")
    make_plugin(site, "count", callable=True)
    make_plugin(site, "loop")
    yield boards
    # what is under way ends before the site is closed
    site.commands["request"]._fleet_pool.shutdown(wait=True)
    site.commands["request"]._pool.shutdown(wait=True)


def make_plugin(site: Site, name: str, token: str = "member", **more: Any) -> str:
    """Make a plugin; return its uuid."""
    body = {"name": name, "code": CODE, **more}
    answer = site.ask("POST", "/v1/plugins", body, token=token)
    assert answer.status_int == 201, answer.text
    return str(answer.json["uuid"])


def inject(site: Site, plugin: str = "count", token: str = "member", **more: Any) -> Any:
    """Inject a plugin on the fleet."""
    fleet = more.pop("fleet", "slope")
    path = f"/v1/fleets/{fleet}/plugins"
    return site.ask("PUT", path, {"plugin": plugin, **more}, token=token)


def act(site: Site, action: str, plugin: str = "count", token: str = "member", **more: Any) -> Any:
    """Have a plugin do something on the fleet."""
    fleet = more.pop("fleet", "slope")
    headers = more.pop("headers", {})
    path = f"/v1/fleets/{fleet}/plugins/{plugin}"
    return site.ask("POST", path, {"action": action, **more}, token=token, headers=headers)


def remove(site: Site, plugin: str = "count", token: str = "member") -> Any:
    """Remove a plugin from the fleet."""
    return site.ask("DELETE", f"/v1/fleets/slope/plugins/{plugin}", token=token)


def results(site: Site, answer: Any, token: str = "member") -> list[dict[str, Any]]:
    """Return the results of a request once it has ended."""
    assert answer.status_int == 202, answer.text
    path = f"/v1/requests/{answer.json['request']}"
    for _ in range(400):
        if site.ask("GET", path, token=token).json["state"] not in OPEN:
            break
        threading.Event().wait(0.025)
    return list(site.ask("GET", f"{path}/results", token=token).json["results"])


def ends(found: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    """Count the results by state and by the code of their cause."""
    return Counter((row["state"], (row["cause"] or {}).get("code", "")) for row in found)


def held(site: Site, board: str) -> dict[str, Any]:
    """Return what is wanted on a board, by the plugin's name."""
    answer = site.ask("GET", f"/v1/boards/{board}/plugins", token="member").json
    return {row["name"]: row for row in answer["injections"]}


def test_the_life_of_a_plugin_on_a_fleet(site: Site, slope: list[str]) -> None:
    """Injected, asked, called and removed by one request each; a result for each board."""
    site.boards.answer = succeed("ALIVE")
    away = ("rejected", "iot.board.offline")

    injected = inject(site, onboot=True)
    first = results(site, injected)
    wanted = [held(site, board)["count"] for board in slope]
    called = results(site, act(site, "PluginCall", parameters={}))
    asked = results(site, act(site, "PluginStatus"))
    removed = results(site, remove(site))

    assert injected.json["total"] == 4
    assert injected.headers["Location"].endswith(f"/v1/requests/{injected.json['request']}")
    for found in (first, called, asked, removed):
        assert ends(found) == {("succeeded", ""): 3, away: 1}
    assert [row["onboot"] for row in wanted] == [True] * 3
    assert {row["message"] for row in asked if row["state"] == "succeeded"} == {"ALIVE"}
    assert [procedure for _, procedure, _ in site.boards.calls] == (
        ["plugin.inject"] * 3 + ["plugin.call"] * 3 + ["plugin.status"] * 3 + ["plugin.remove"] * 3
    )
    assert held(site, slope[0]) == held(site, "away") == {}


def test_a_request_tells_what_it_is(site: Site, slope: list[str]) -> None:
    """It is of type 1 and of the fleet; the audit names the plugin; readers read it."""
    fleet = site.ask("GET", "/v1/fleets/slope", token="member").json["uuid"]
    plugin = site.ask("GET", "/v1/plugins/count", token="member").json["uuid"]

    answer = inject(site)
    results(site, answer)

    path = f"/v1/requests/{answer.json['request']}"
    request = site.ask("GET", path, token="reader").json
    assert (request["type"], request["destination_uuid"], request["total"]) == (1, fleet, 4)
    assert request["cause"]["counts"] == {"rejected": 1, "succeeded": 3}
    [row] = site.ask("GET", "/v1/audit?action=fleet.PluginInject").json["audit"]
    assert (row["target"], row["details"]["plugin"], row["details"]["boards"]) == (
        fleet,
        plugin,
        4,
    )
    assert site.ask("GET", path, token="stranger").status_int == 404


def test_starts_are_wanted_on_boards_that_were_sent_one(site: Site, slope: list[str]) -> None:
    """After a start a plugin should run, after a stop no more; not where it is not."""
    site.ask("PUT", f"/v1/boards/{slope[0]}/plugins", {"plugin": "loop"}, token="member")

    started = results(site, act(site, "PluginStart", "loop"))
    running = held(site, slope[0])["loop"]["running"]
    results(site, act(site, "PluginStop", "loop", parameters={"delay": 1}))

    assert ends(started) == {
        ("succeeded", ""): 1,
        ("rejected", "iot.injection.not_found"): 2,
        ("rejected", "iot.board.offline"): 1,
    }
    assert (running, held(site, slope[0])["loop"]["running"]) == (True, False)
    assert held(site, slope[1]) == {}


def test_what_is_refused_orders_nothing(site: Site, slope: list[str]) -> None:
    """Wrong actions, plugins and fleets are told as for one board, before anything is stored."""
    inject(site, "loop")
    before = len(site.ask("GET", "/v1/requests", token="member").json["requests"])
    site.ask("POST", "/v1/fleets", {"name": "empty"}, token="member")

    told = [
        act(site, "PluginDance"),
        act(site, "PluginCall", "loop"),
        act(site, "PluginStart", "count"),
        act(site, "PluginStatus", parameters={"x": 1}),
        act(site, "PluginStatus", "nothing"),
        act(site, "PluginStatus", NOWHERE),
        inject(site, fleet="empty"),
        inject(site, fleet="nowhere"),
    ]

    assert [(answer.status_int, answer.json["code"]) for answer in told] == [
        (400, "iot.injection.invalid_action"),
        (409, "iot.injection.not_callable"),
        (409, "iot.injection.only_callable"),
        (400, "iot.request.invalid"),
        (404, "iot.plugin.not_found"),
        (404, "iot.plugin.not_found"),
        (409, "iot.fleet.empty"),
        (404, "iot.fleet.not_found"),
    ]
    assert len(site.ask("GET", "/v1/requests", token="member").json["requests"]) == before


def test_fleets_and_plugins_of_others_are_not_there(site: Site, slope: list[str]) -> None:
    """By name and by uuid, the same as what never was; a public plugin may be injected."""
    fleet = site.ask("GET", "/v1/fleets/slope", token="member").json["uuid"]
    theirs = make_plugin(site, "theirs", token="stranger")
    public = make_plugin(site, "open", token="stranger", public=True)

    told = [
        inject(site, public, token="stranger", fleet=name) for name in ("slope", fleet, NOWHERE)
    ]
    private = [inject(site, name) for name in ("theirs", theirs, NOWHERE)]

    assert {(answer.status_int, answer.json["code"]) for answer in told} == {
        (404, "iot.fleet.not_found")
    }
    assert {(answer.status_int, answer.json["code"]) for answer in private} == {
        (404, "iot.plugin.not_found")
    }
    assert ends(results(site, inject(site, public)))["succeeded", ""] == 3
    assert site.boards.calls[-1][1] == "plugin.inject"


def test_a_host_may_always_stop_and_remove(site: Site, slope: list[str]) -> None:
    """A plugin of another project that is private again can be taken off one's own fleet."""
    public = make_plugin(site, "open", token="stranger", public=True)
    results(site, inject(site, public))
    site.ask("PATCH", f"/v1/plugins/{public}", {"public": False}, token="stranger")

    again = inject(site, public)
    gone = ends(results(site, remove(site, public)))

    assert (again.status_int, again.json["code"]) == (404, "iot.plugin.not_found")
    assert gone["succeeded", ""] == 3
    assert held(site, slope[0]) == {}


def test_the_quota_is_for_all_or_for_none(site: Site, slope: list[str]) -> None:
    """Where not all injections fit, none is made; those that are there already count once."""
    project = whoami(site, "member")["project"]
    limits = {"limits": {"injections": 2}}
    assert site.ask("PUT", f"/v1/quotas/{project}", limits).status_int == 200

    over = inject(site)
    left = [held(site, board) for board in slope]
    site.ask("PUT", f"/v1/quotas/{project}", {"limits": {"injections": 3}})
    fits = ends(results(site, inject(site)))
    again = ends(results(site, inject(site)))

    assert (over.status_int, over.json["code"]) == (403, "iot.quota.exceeded")
    assert over.json["details"]["wanted"] == 3
    assert left == [{}, {}, {}]
    assert fits["succeeded", ""] == again["succeeded", ""] == 3


def test_a_repeated_request_orders_once(site: Site, slope: list[str]) -> None:
    """With one Idempotency-Key there is one request, and each board is sent one order."""
    results(site, inject(site))
    key = {"Idempotency-Key": "morning"}

    first = act(site, "PluginCall", headers=key)
    results(site, first)
    second = act(site, "PluginCall", headers=key)

    assert second.json["request"] == first.json["request"]
    assert [procedure for _, procedure, _ in site.boards.calls].count("plugin.call") == 3


def test_what_is_queued_can_be_taken_back(
    site: Site, slope: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A removal that was cancelled before it was sent leaves what was wanted before."""
    results(site, inject(site))
    monkeypatch.setattr(site.commands["request"], "send_queued", lambda *_, **__: None)

    answer = remove(site)
    without = held(site, slope[0])
    site.ask("DELETE", f"/v1/requests/{answer.json['request']}", token="member")
    found = results(site, answer)

    assert without == {}
    assert ends(found)["cancelled", "cancelled"] == 3
    assert [set(held(site, board)) for board in slope] == [{"count"}] * 3


# -- under grants -----------------------------------------------------------------------


def lend(site: Site, *actions: str, **more: Any) -> tuple[str, str]:
    """Have the member lend the fleet to the stranger; return fleet and grant."""
    fleet = str(site.ask("GET", "/v1/fleets/slope", token="member").json["uuid"])
    body = {
        "kind": "fleet",
        "target": fleet,
        "actions": list(actions),
        "to_user": whoami(site, "stranger")["user"],
        **more,
    }
    made = site.ask("POST", "/v1/grants", body, token="member")
    assert made.status_int == 201, made.text
    return fleet, str(made.json["uuid"])


def uses(site: Site, grant: str) -> int:
    """Return how often a grant was used."""
    return int(site.ask("GET", f"/v1/grants/{grant}", token="member").json["uses"])


def test_a_lent_fleet_takes_what_is_lent(site: Site, slope: list[str]) -> None:
    """The receiver injects a plugin of their own and reads the results; each board is a use."""
    fleet, grant = lend(site, "plugin.inject")
    mine = make_plugin(site, "mine", token="stranger", callable=True)

    answer = inject(site, mine, token="stranger", fleet=fleet)
    found = results(site, answer, token="stranger")
    other = act(site, "PluginCall", mine, token="stranger", fleet=fleet)

    assert ends(found) == {("succeeded", ""): 3, ("rejected", "iot.board.offline"): 1}
    assert uses(site, grant) == 3
    assert (other.status_int, other.json["code"]) == (404, "iot.fleet.not_found")
    assert [set(held(site, board)) for board in slope] == [{"mine"}] * 3


def test_uses_are_for_all_or_for_none(site: Site, slope: list[str]) -> None:
    """A grant that may be used twice does not let an order to three boards pass."""
    fleet, grant = lend(site, "plugin.inject", max_uses=2)
    mine = make_plugin(site, "mine", token="stranger")

    answer = inject(site, mine, token="stranger", fleet=fleet)

    assert answer.status_int == 404
    assert uses(site, grant) == 0
    assert site.boards.calls == []
    assert held(site, slope[0]) == {}


def test_what_waits_ends_with_its_grant(
    site: Site, slope: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orders that wait when the grant is taken back are not sent."""
    fleet, grant = lend(site, "plugin.inject")
    mine = make_plugin(site, "mine", token="stranger")
    requests = site.commands["request"]
    held_back: list[Any] = []
    with monkeypatch.context() as patch:
        patch.setattr(requests, "send_queued", lambda *told, **__: held_back.append(told))
        answer = inject(site, mine, token="stranger", fleet=fleet)

    site.ask("DELETE", f"/v1/grants/{grant}", token="member")
    for part, agent in held_back:
        requests.send_queued(part, agent, fleet=True)

    assert len(held_back) == 3
    assert ends(results(site, answer))["rejected", "iot.grant.ended"] == 3
    assert site.boards.calls == []


def test_a_start_under_a_grant_has_a_lease(site: Site, slope: list[str]) -> None:
    """On a lent fleet it runs under a lease; a board that would not end it is not started."""
    results(site, inject(site, "loop"))
    able = {"procedures": list(names.PROCEDURES)}
    for board in slope[1:]:
        join = {"protocol": 4, "agent_version": "1", "capabilities": able}
        site.call("board", "joined", board=board, session=7, join=join)
    fleet, grant = lend(site, "plugin.start")
    plugin = site.ask("GET", "/v1/plugins/loop", token="member").json["uuid"]

    answer = act(site, "PluginStart", plugin, token="stranger", fleet=fleet)
    found = results(site, answer, token="stranger")

    assert ends(found) == {
        ("succeeded", ""): 2,
        ("rejected", "iot.lease.agent_too_old"): 1,
        ("rejected", "iot.plugin.not_found"): 1,  # it is not there, and not theirs to see
    }
    starts = [call for _, procedure, call in site.boards.calls if procedure == "plugin.start"]
    assert len(starts) == 2
    assert all(call.parameters["lease"] for call in starts)
    assert uses(site, grant) == 2
    assert held(site, slope[0])["loop"]["running"] is False


def test_a_lent_fleet_does_an_action(site: Site, slope: list[str]) -> None:
    """What is lent of boards is lent for all of the fleet at once; nothing else is."""
    fleet, grant = lend(site, "board.action:DeviceEcho")
    path = f"/v1/fleets/{fleet}/action"
    echo = {"action": "DeviceEcho", "parameters": {"say": "hi"}}

    answer = site.ask("POST", path, echo, token="stranger")
    found = results(site, answer, token="stranger")
    other = site.ask("POST", path, {"action": "DevicePing"}, token="stranger")
    named = site.ask("POST", "/v1/fleets/slope/action", echo, token="stranger")

    assert ends(found) == {("succeeded", ""): 3, ("rejected", "iot.board.offline"): 1}
    assert uses(site, grant) == 3
    assert {other.status_int, named.status_int} == {404}


def test_uses_of_an_action_are_for_all_or_for_none(site: Site, slope: list[str]) -> None:
    """With fewer uses than boards online nothing is sent and nothing counted."""
    fleet, grant = lend(site, "board.action", max_uses=2)
    path, ping = f"/v1/fleets/{fleet}/action", {"action": "DevicePing"}

    refused = site.ask("POST", path, ping, token="stranger")
    site.ask("PATCH", f"/v1/boards/{slope[0]}", {"fleet": None}, token="member")
    passed = site.ask("POST", path, ping, token="stranger")

    assert refused.status_int == 404
    assert ends(results(site, passed))["succeeded", ""] == 2
    assert uses(site, grant) == 2
