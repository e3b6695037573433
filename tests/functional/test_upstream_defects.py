"""One test for each defect listed of the predecessor; each fails where the defect is.

The numbers are those of spec/iotronic-api.md section 7. The same defects are
looked at more closely by the tests of each noun.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import uuid as uuids
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from iotronic_mec import errors
from iotronic_mec.cmd import router
from iotronic_mec.db.base import metadata
from iotronic_mec.registry import FEATURES
from iotronic_mec.rpc.boards import ANSWER_MARGIN_S
from lightning_agent.protocol import names
from tests.fakes.boards import end_as, fail_with
from tests.fakes.reach import AGENT, holdings, make_board, online_board, outside, set_online
from tests.fakes.site import BASE_URL, Site, fault

NETWORK, SUBNET = str(uuids.UUID(int=1)), str(uuids.UUID(int=2))
WEB = {"dns": "kitchen", "zone": "boards.example.org", "email": "me@example.org"}
ROOT = Path(__file__).parents[2]


def make(site: Site, noun: str, token: str = "member", **body: Any) -> dict[str, Any]:
    """Make a thing and return it."""
    answer = site.ask("POST", f"/v1/{noun}", body, token=token)
    assert answer.status_int == 201, answer.text
    return dict(answer.json)


def status(site: Site, method: str, path: str, body: Any = None, token: str = "member") -> int:
    """Return the status of an answer."""
    return int(site.ask(method, path, body, token=token).status_int)


def listed(site: Site, path: str, token: str = "member") -> list[Any]:
    """Return the items of a list."""
    answer = site.ask("GET", path, token=token)
    assert answer.status_int == 200, answer.text
    return list(next(value for key, value in answer.json.items() if key != "next"))


def inject(site: Site, plugin: str = "camera", **more: Any) -> Any:
    """Inject a plugin into the kitchen's board and return the answer."""
    body = {"plugin": plugin, **more}
    return site.ask("PUT", "/v1/boards/kitchen/plugins", body, token="member")


def test_every_defect_has_a_test() -> None:
    """D-01 to D-36, each by a test of its number and with a sentence."""
    found = {
        int(name[6:8]): value.__doc__
        for name, value in globals().items()
        if re.fullmatch(r"test_d\d\d_\w+", name)
    }

    assert sorted(found) == list(range(1, 37))
    assert all(found.values())


def test_d01_boards_of_others(site: Site) -> None:
    """D-01: a member of another project reads, changes and deletes no board, by uuid or name."""
    board = make(site, "boards", name="kitchen")["uuid"]

    for ident in (board, "kitchen"):
        for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
            assert status(site, method, f"/v1/boards/{ident}", body, "stranger") == 404
    assert status(site, "GET", f"/v1/boards/{board}") == 200


def test_d02_services_of_others(site: Site) -> None:
    """D-02: the list of services is that of the project."""
    make(site, "services", name="own", port=22, protocol="TCP")
    make(site, "services", "stranger", name="theirs", port=22, protocol="TCP")

    assert [item["name"] for item in listed(site, "/v1/services")] == ["own"]


def test_d03_fleets_and_requests_of_others(site: Site) -> None:
    """D-03: ordinary users see the fleets and requests of their own project only."""
    make(site, "fleets", name="own")
    make(site, "fleets", "stranger", name="theirs")
    board = online_board(site)
    action = {"action": "DeviceEcho", "parameters": {"say": "x"}}
    assert status(site, "POST", f"/v1/boards/{board}/action", action) == 200

    assert [item["name"] for item in listed(site, "/v1/fleets")] == ["own"]
    assert len(listed(site, "/v1/requests")) == 1
    assert listed(site, "/v1/requests", "stranger") == []


def test_d04_routes_without_a_rule(site: Site) -> None:
    """D-04: every route has a rule; those upstream forgot refuse readers and strangers."""
    online_board(site)
    path = "/v1/boards/kitchen"
    routes = [route for feature in FEATURES for route in feature.routes]
    rules = {policy.name for feature in FEATURES for policy in feature.policies}

    assert [route.path for route in routes if route.policy not in {*rules, "public"}] == []
    for method, tail, body in (
        ("POST", "webservices/enable", WEB),
        ("DELETE", "webservices/disable", None),
        ("PUT", "ports", {"network": NETWORK, "subnet": SUBNET}),
        ("PUT", "webservices", {"name": "cam", "port": 80}),
    ):
        assert status(site, method, f"{path}/{tail}", body, "reader") == 403, tail
        assert status(site, method, f"{path}/{tail}", body, "stranger") == 404, tail


def test_d05_owners_may(site: Site) -> None:
    """D-05: owners delete their plugins, change their services and fleets, act on their boards."""
    online_board(site)
    make(site, "plugins", name="camera", code="x = 1\n")
    make(site, "services", name="ssh", port=22, protocol="TCP")
    make(site, "fleets", name="yard")

    assert status(site, "DELETE", "/v1/plugins/camera") == 204
    assert status(site, "GET", "/v1/services/ssh") == 200
    assert status(site, "PATCH", "/v1/services/ssh", {"port": 23}) == 200
    assert status(site, "DELETE", "/v1/services/ssh") == 204
    assert status(site, "PATCH", "/v1/fleets/yard", {"description": "x"}) == 200
    assert status(site, "POST", "/v1/boards/kitchen/action", {"action": "DevicePing"}) == 200
    assert status(site, "GET", "/v1/boards/kitchen/services") == 200


@pytest.mark.parametrize("field", ["project", "owner", "status", "agent", "session", "uuid"])
def test_d06_fields_nobody_may_set(site: Site, field: str) -> None:
    """D-06: what follows from elsewhere cannot be set by a change, nor at creation."""
    board = make(site, "boards", name="kitchen")
    value = str(uuids.uuid4())

    changed = site.ask("PATCH", "/v1/boards/kitchen", {field: value}, token="member")

    assert changed.status_int == 400
    shown = site.ask("GET", "/v1/boards/kitchen", token="member").json
    assert shown[field] == board[field]
    if field != "uuid":
        made = site.ask("POST", "/v1/boards", {"name": "b", field: value}, token="member")
        assert made.status_int == 400


def test_d07_the_secret_of_a_board(site: Site) -> None:
    """D-07: the code is shown once, at creation; no list and no config holds it; it is renewed."""
    made = make(site, "boards", name="kitchen")
    again = site.ask("POST", "/v1/boards/kitchen/enrolment-code", {}, token="member").json["code"]

    everything = [
        site.ask("GET", path, token="member").text
        for path in ("/v1/boards", "/v1/boards/detail", "/v1/boards/kitchen")
    ]

    assert made["code"] and again not in ("", made["code"])
    assert not any(made["code"] in text or again in text for text in everything)


def test_d08_the_realm_is_closed() -> None:
    """D-08: sessions log in by key or code, and a role may only what its authorizer lets."""
    written = router.configuration(router.RouterSettings(public_key="a" * 64))
    [worker] = written["workers"]
    text = json.dumps(worker)

    assert "anonymous" not in text
    [realm] = worker["realms"]
    static = {role["name"] for role in realm["roles"] if "permissions" in role}
    assert static == {names.ROLE_SERVICE}
    [public] = [each for each in worker["transports"] if each["id"] == "public"]
    assert set(public["paths"]["ws"]["auth"]) == {"ticket", "cryptosign"}


def test_d09_source_stays_text(site: Site) -> None:
    """D-09: a plugin's code is what was sent, before and after a change; nothing is unpickled."""
    code = "cos\nsystem\n(S'true'\ntR."
    assert status(site, "POST", "/v1/plugins", {"name": "evil", "code": code}) == 400
    make(site, "plugins", name="camera", code="x = 'é'\n")
    first = site.ask("GET", "/v1/plugins/camera", token="member").json["code"]
    site.ask("PATCH", "/v1/plugins/camera", {"code": "y = 1\n"}, token="member")

    assert (first, site.ask("GET", "/v1/plugins/camera", token="member").json["code"]) == (
        "x = 'é'\n",
        "y = 1\n",
    )
    sources = [*ROOT.glob("iotronic_mec/**/*.py"), *ROOT.glob("lightning_agent/**/*.py")]
    assert [path for path in sources if re.search(r"\bimport pickle\b", path.read_text())] == []
    assert len(sources) > 100


@pytest.mark.parametrize("bad", ["../../etc/x", "a b", "x;\nserver{}", "$(id)", "a/b", ".."])
def test_d10_names_that_leave_their_place(site: Site, bad: str) -> None:
    """D-10: names that end in files, hosts and shells are refused, naming the field."""
    online_board(site)
    for field in ("dns", "zone"):
        body = {**WEB, field: bad}
        answer = site.ask("POST", "/v1/boards/kitchen/webservices/enable", body, token="member")
        assert (answer.status_int, answer.json["details"]["field"]) == (400, field)
    service = {"name": bad, "port": 22, "protocol": "TCP"}
    assert status(site, "POST", "/v1/services", service) == 400
    port = {"network": bad, "subnet": SUBNET}
    assert status(site, "PUT", "/v1/boards/kitchen/ports", port) == 400
    assert holdings(site) == []


def test_d11_errors_tell_no_sql(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """D-11: what breaks inside is told in general words."""
    make(site, "boards", name="kitchen")

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("SELECT secret FROM board")

    monkeypatch.setattr("iotronic_mec.features.board.store.find_target", broken)
    answer = site.ask("GET", "/v1/boards/kitchen", token="member")

    assert answer.status_int == 500
    assert not re.search(r"SELECT|secret|Traceback|RuntimeError", answer.text)


def test_d12_refusals_keep_their_status(site: Site) -> None:
    """D-12: rights and offline boards are 403, 404 and 400 or 409 on injections, never 500."""
    make_board(site)
    make(site, "plugins", name="camera", code="x = 1\n")
    service = make(site, "services", name="ssh", port=22, protocol="TCP")["uuid"]

    assert status(site, "PUT", "/v1/boards/kitchen/plugins", {"plugin": "camera"}, "reader") == 403
    action = {"action": "PluginStart"}
    assert status(site, "POST", "/v1/boards/kitchen/plugins/camera", action, "reader") == 403
    enable = {"action": "ServiceEnable"}
    path = f"/v1/boards/kitchen/services/{service}/action"
    assert status(site, "POST", path, enable, "reader") == 403
    offline = site.ask("POST", path, enable, token="member")
    assert (offline.status_int in (400, 409), offline.json["code"]) == (True, "iot.board.offline")


def test_d13_a_second_exposure(site: Site) -> None:
    """D-13: what is exposed already is a conflict in words, not an error of the server."""
    online_board(site)
    make(site, "services", name="ssh", port=22, protocol="TCP")
    path, body = "/v1/boards/kitchen/services/ssh/action", {"action": "ServiceEnable"}
    assert status(site, "POST", path, body) == 200

    again = site.ask("POST", path, body, token="member")

    assert again.status_int == 409
    assert fault(again)


def test_d14_errors_that_exist(site: Site) -> None:
    """D-14: what is missing is a 404 of its own for every noun; actions unknown are a 400."""
    online_board(site)
    nothing = str(uuids.uuid4())
    for noun in ("requests", "boards", "plugins", "services", "fleets", "webservices", "ports"):
        answer = site.ask("GET", f"/v1/{noun}/{nothing}", token="member")
        assert (answer.status_int, answer.json["code"].startswith("iot.")) == (404, True), noun
    service = make(site, "services", name="ssh", port=22, protocol="TCP")["uuid"]
    path = f"/v1/boards/kitchen/services/{service}/action"
    assert status(site, "POST", path, {"action": "ServiceFly"}) == 400


@pytest.mark.parametrize(
    "noun", ["boards", "plugins", "services", "fleets", "webservices", "ports", "requests"]
)
def test_d15_messages_are_filled_in(site: Site, noun: str) -> None:
    """D-15: the sentence names what is missing; no placeholder is left."""
    nothing = str(uuids.uuid4())

    told = fault(site.ask("GET", f"/v1/{noun}/{nothing}", token="member"))

    assert nothing in told
    assert "%(" not in told and "{" not in told


def test_d16_any_choice_of_fields(site: Site) -> None:
    """D-16: fields without agent or uuid work, capitals as well, and pages go on."""
    for name in ("a", "b", "c"):
        make(site, "boards", name=name)
    online_board(site)
    port = {"network": NETWORK, "subnet": SUBNET}
    assert status(site, "PUT", "/v1/boards/kitchen/ports", port) in (200, 201)

    first = site.ask("GET", "/v1/boards?fields=name&limit=2", token="member").json
    second = site.ask("GET", first["next"].removeprefix(BASE_URL), token="member").json
    [shown] = listed(site, "/v1/ports?fields=MAC_add,VIF_name")

    names_ = [item["name"] for item in first["boards"] + second["boards"]]
    assert names_ == ["a", "b", "c", "kitchen"]
    assert {"MAC_add", "VIF_name"} <= set(shown)


@pytest.mark.parametrize(
    "noun", ["boards", "plugins", "services", "fleets", "webservices", "requests", "ports"]
)
def test_d17_details(site: Site, noun: str) -> None:
    """D-17: ``/detail`` works on every collection, also that of enabled web services."""
    assert listed(site, f"/v1/{noun}/detail") == []
    assert listed(site, "/v1/enabledwebservices/detail") == []


def test_d18_next_keeps_the_question(site: Site) -> None:
    """D-18: ``next`` keeps path, filters and fields; a full last page has none."""
    for name in ("a", "b", "c", "d"):
        make(site, "boards", name=name)

    path = "/v1/boards/detail?limit=2&fields=name,uuid&status=registered&sort_key=name"
    first = site.ask("GET", path, token="member").json
    second = site.ask("GET", first["next"].removeprefix(BASE_URL), token="member").json

    for kept in ("/v1/boards/detail", "fields=name", "status=registered", "sort_key=name"):
        assert kept in first["next"]
    assert [item["name"] for item in second["boards"]] == ["c", "d"]
    assert "next" not in second


def test_d19_wrong_values_are_refused(site: Site) -> None:
    """D-19: a wrong value of a change is a 400 that names it; the place can be changed."""
    make(site, "boards", name="kitchen")

    wrong = site.ask("PATCH", "/v1/boards/kitchen", {"mobile": "perhaps"}, token="member")
    place = [{"longitude": "15.5", "latitude": "38.1", "altitude": "3"}]
    moved = site.ask("PATCH", "/v1/boards/kitchen", {"location": place}, token="member")

    assert (wrong.status_int, wrong.json["details"]["field"]) == (400, "mobile")
    assert moved.json["location"][0]["longitude"] == "15.5"


def test_d20_ports_of_one_board(site: Site) -> None:
    """D-20: a board's list of ports holds its own."""
    online_board(site)
    online_board(site, "theirs", "stranger")
    body = {"network": NETWORK, "subnet": SUBNET}
    assert status(site, "PUT", "/v1/boards/theirs/ports", body, "stranger") in (200, 201)

    assert listed(site, "/v1/boards/kitchen/ports") == []
    assert len(listed(site, "/v1/boards/theirs/ports", "stranger")) == 1


@pytest.mark.parametrize("noun", ["boards", "fleets", "plugins"])
def test_d21_names_are_the_projects(site: Site, noun: str) -> None:
    """D-21: of many at once one gets the name, others a 409; another project may have it too."""
    body = {"name": "same"} | ({"code": "x = 1\n"} if noun == "plugins" else {})
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: status(site, "POST", f"/v1/{noun}", body), range(6)))

    assert sorted(found) == [201, 409, 409, 409, 409, 409]
    assert status(site, "POST", f"/v1/{noun}", body, "stranger") == 201
    assert status(site, "GET", f"/v1/{noun}/same") == 200


def test_d22_what_is_in_use(site: Site) -> None:
    """D-22: an injected plugin, an exposed service, a full fleet stay; unknown fleets are none."""
    online_board(site)
    make(site, "plugins", name="camera", code="x = 1\n")
    make(site, "services", name="ssh", port=22, protocol="TCP")
    make(site, "fleets", name="yard")
    assert inject(site).status_int == 200
    enable = {"action": "ServiceEnable"}
    assert status(site, "POST", "/v1/boards/kitchen/services/ssh/action", enable) == 200
    assert status(site, "PATCH", "/v1/boards/kitchen", {"fleet": "yard"}) == 200

    for path in ("plugins/camera", "services/ssh", "fleets/yard"):
        assert status(site, "DELETE", f"/v1/{path}") == 409, path
    unknown = {"name": "b", "fleet": str(uuids.uuid4())}
    assert status(site, "POST", "/v1/boards", unknown) in (400, 404, 409)


def test_d23_injections_are_what_the_board_says(site: Site) -> None:
    """D-23: one that failed is not shown as injected; again with another ``onboot`` counts."""
    online_board(site)
    make(site, "plugins", name="camera", code="x = 1\n")
    site.boards.answer = end_as("failed")
    failed = inject(site, onboot=False)
    before = [item["status"] for item in listed(site, "/v1/boards/kitchen/plugins")]

    site.boards.answer = end_as("succeeded")
    inject(site, onboot=True)

    assert failed.status_int >= 400
    assert "injected" not in before
    [now] = listed(site, "/v1/boards/kitchen/plugins")
    assert now["onboot"] is True


def test_d24_missing_things_are_the_callers(site: Site) -> None:
    """D-24: no code, a space in a path, no wamp agent: no error of the server."""
    make(site, "boards", name="kitchen")

    no_code = site.ask("POST", "/v1/plugins", {"name": "camera"}, token="member")
    assert (no_code.status_int, "code" in fault(no_code)) == (400, True)
    assert status(site, "GET", "/v1/boards/a%20b") == 400
    assert status(site, "GET", "/v1/boards/kitchen") == 200
    assert status(site, "POST", "/v1/boards/kitchen/action", {"action": "DevicePing"}) < 500


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "services", {"name": "a", "port": 70000, "protocol": "TCP"}, "port"),
        ("POST", "services", {"name": "a", "port": 22, "protocol": "XYZ"}, "protocol"),
        ("POST", "boards/kitchen/webservices/enable", {**WEB, "email": "nobody"}, "email"),
        ("POST", "boards/kitchen/webservices/enable", {**WEB, "dns": "-a"}, "dns"),
    ],
)
def test_d25_values_in_their_bounds(
    site: Site, method: str, path: str, body: dict[str, Any], field: str
) -> None:
    """D-25: ports, protocols, mail addresses and names of hosts are checked, like places."""
    online_board(site)
    far = [{"longitude": "999", "latitude": "0", "altitude": "0"}]

    answer = site.ask(method, f"/v1/{path}", body, token="member")

    assert (answer.status_int, answer.json["details"]["field"]) == (400, field)
    assert status(site, "POST", "/v1/boards", {"name": "b", "location": far}) == 400


def test_d26_public_ports_are_given_once(site: Site) -> None:
    """D-26: the database gives public ports out; one that failed comes back."""
    for name in ("kitchen", "hall"):
        online_board(site, name)
    make(site, "services", name="ssh", port=22, protocol="TCP")
    enable = {"action": "ServiceEnable"}
    with ThreadPoolExecutor(2) as pool:
        found = list(
            pool.map(
                lambda name: status(
                    site, "POST", f"/v1/boards/{name}/services/ssh/action", enable
                ),
                ("kitchen", "hall"),
            )
        )

    ports = {
        item["public_port"]
        for name in ("kitchen", "hall")
        for item in listed(site, f"/v1/boards/{name}/services")
    }
    assert (found, len(ports)) == ([200, 200], 2)


def test_d27_ports_are_kept_and_given_back(site: Site) -> None:
    """D-27: what a port holds is written down, and its removal gives all of it back."""
    online_board(site)
    body = {"network": NETWORK, "subnet": SUBNET}
    made = site.ask("PUT", "/v1/boards/kitchen/ports", body, token="member").json
    held = len(holdings(site))

    gone = status(site, "DELETE", f"/v1/boards/kitchen/ports/{made['uuid']}")

    network = outside(site)[3]
    assert (held > 0, gone, holdings(site), network.ports) == (True, 204, [], {})


def test_d28_limits_nest(site: Site) -> None:
    """D-28: an inner wait ends before the outer one, and the request can be found again."""
    board = online_board(site)
    site.boards.answer = fail_with(errors.BoardTimeout("no answer"))

    answer = site.ask(
        "POST", f"/v1/boards/{board}/action", {"action": "DevicePing"}, token="member"
    )

    assert ANSWER_MARGIN_S > 0
    assert site.parts.settings.board_call_timeout_s + ANSWER_MARGIN_S < 60.0
    assert answer.status_int == 504
    request = answer.json["details"]["request"]
    assert site.ask("GET", f"/v1/requests/{request}", token="member").json["uuid"] == request


def test_d29_every_request_ends(site: Site) -> None:
    """D-29: one whose board never answers ends by itself, as lost or timed out."""
    board = online_board(site)
    site.boards.answer = fail_with(errors.BoardLost("link"))
    body = {"action": "DeviceEcho", "parameters": {"say": "x"}, "wait": False}
    accepted = site.ask("POST", f"/v1/boards/{board}/action", body, token="member")
    assert accepted.status_int == 202

    pause = threading.Event()
    while not site.boards.calls:
        pause.wait(0.005)
    site.clock.advance(7200)
    site.periodic()

    [request] = listed(site, "/v1/requests/detail")
    assert request["state"] in ("lost", "timed_out")


def test_d30_dead_agents_hold_no_boards(site: Site) -> None:
    """D-30: a wamp agent that comes back says what it holds; what it lost is offline."""
    board = online_board(site)
    before = site.ask("GET", f"/v1/boards/{board}", token="member").json["status"]
    site.boards.online = {}

    site.call("board", "wamp_agent_up", agent=AGENT, url="ws://router.test:8443/ws")

    after = site.ask("GET", f"/v1/boards/{board}", token="member").json["status"]
    assert (before, after) == ("online", "offline")
    set_online(site, board)
    assert site.ask("GET", f"/v1/boards/{board}", token="member").json["status"] == "online"


def test_d31_no_list_of_the_allowed_in_a_file() -> None:
    """D-31: who may tunnel is asked of the database; nothing rewrites a file shared by threads."""
    sources = {path: path.read_text() for path in ROOT.glob("iotronic_mec/**/*.py")}

    assert len(sources) > 100
    assert [
        path for path, text in sources.items() if re.search(r"allow_?list\.(json|txt)", text)
    ] == []
    assert "exposed_service" in metadata.tables


def test_d32_lists_cost_the_same(site: Site) -> None:
    """D-32: a list of many boards takes as many statements as one of few; scopes have indexes."""
    engine = site.parts.database._reader
    counted: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: counted.append(given[2]))

    def statements(limit: int) -> int:
        counted.clear()
        assert len(listed(site, f"/v1/boards/detail?limit={limit}&sort_key=name")) == limit
        return len(counted)

    for number in range(20):
        make(site, "boards", name=f"b{number}")

    few, many = statements(2), statements(20)

    assert 0 < few == many
    indexed = {
        tuple(column.name for column in index.columns)[:1]
        for index in metadata.tables["board"].indexes
    }
    assert {("project",), ("agent",), ("fleet",)} <= indexed


def test_d33_reading_changes_nothing(site: Site) -> None:
    """D-33: no GET has an effect of its own but the client's two, which are POST as well."""
    reads = {
        route.path
        for feature in FEATURES
        for route in feature.routes
        if route.method == "GET" and re.search(r"/(restore|renew)$", route.path)
    }
    writes = {
        route.path
        for feature in FEATURES
        for route in feature.routes
        if route.method == "POST" and re.search(r"/(restore|renew)$", route.path)
    }
    online_board(site)
    assert status(site, "POST", "/v1/boards/kitchen/webservices/enable", WEB) == 201
    web = {"name": "cam", "port": 80}
    assert status(site, "PUT", "/v1/boards/kitchen/webservices", web) == 201

    assert reads <= writes
    assert status(site, "PUT", "/v1/boards/kitchen/webservices", web) == 409


def test_d34_removal_of_what_is_gone(site: Site) -> None:
    """D-34: a record that is missing outside does not keep the rest from being taken down."""
    online_board(site)
    assert status(site, "POST", "/v1/boards/kitchen/webservices/enable", WEB) == 201
    _, dns, _, _ = outside(site)
    dns.records.clear()

    gone = status(site, "DELETE", "/v1/boards/kitchen/webservices/disable")

    assert (gone, holdings(site)) == (204, [])


def test_d35_starts_without_a_wamp_agent(site: Site) -> None:
    """D-35: the conductor works before any wamp agent was there, and nothing in it sleeps."""
    make(site, "boards", name="kitchen")

    assert status(site, "GET", "/v1/boards/kitchen") == 200
    sources = [*ROOT.glob("iotronic_mec/features/**/*.py"), *ROOT.glob("iotronic_mec/rpc/*.py")]
    assert len(sources) > 50
    assert [path for path in sources if re.search(r"\btime\.sleep\(", path.read_text())] == []


def test_d36_tests_and_versions() -> None:
    """D-36: API, conductor and database have tests; versions are pinned; no eventlet."""
    for folder in ("unit/api", "unit/db", "unit/features", "functional"):
        assert list((ROOT / "tests" / folder).glob("**/test_*.py")), folder
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower()
    assert re.search(r"^sqlalchemy==2\.", pins, re.M)
    assert not re.search(r"^six==", (ROOT / "setup.cfg").read_text(encoding="utf-8"), re.M)
    code = "import iotronic_mec.registry, sys; sys.exit('eventlet' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
