"""Web services over HTTP: names, tenants, states, and what a driver breaks."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from iotronic_mec.drivers.failure import DriverFailed
from iotronic_mec.feature import ReachSettings
from tests.fakes.reach import holdings, online_board, outside, set_online, settle
from tests.fakes.site import BASE_URL, Site, fault

BOARD = "/v1/boards/kitchen/webservices"
NAME = {"dns": "kitchen", "zone": "boards.example.org", "email": "me@example.org"}


def enable(site: Site, board: str = "kitchen", token: str = "member", **changes: Any) -> Any:
    """Enable web services on a board and return the answer."""
    body = {**NAME, **changes}
    return site.ask("POST", f"/v1/boards/{board}/webservices/enable", body, token=token)


def expose(site: Site, name: str = "cam", port: Any = 8080, token: str = "member") -> Any:
    """Publish a web server of the board and return the answer."""
    body = {"name": name, "port": port, "secure": True}
    return site.ask("PUT", BOARD, body, token=token)


def listed(site: Site, path: str, key: str, token: str = "member") -> list[dict[str, Any]]:
    """Return the items of a list."""
    answer = site.ask("GET", path, token=token)
    assert answer.status_int == 200, answer.text
    return list(answer.json[key])


@pytest.fixture
def board(site: Site) -> str:
    """Give a board that is online."""
    return online_board(site)


def test_enabled_published_and_taken_back(site: Site, board: str) -> None:
    """The life of a board's name and of a web service under it."""
    tunnels, dns, proxy, _ = outside(site)

    enabled = enable(site)
    made = expose(site)
    hosts = sorted(dns.records)
    [of_board] = listed(site, "/v1/enabledwebservices", "EnabledWebservices")
    deleted = site.ask("DELETE", f"/v1/webservices/{made.json['uuid']}", token="member")
    disabled = site.ask("DELETE", f"{BOARD}/disable", token="member")

    assert (enabled.status_int, made.status_int) == (201, 201), made.text
    assert (enabled.json["board_uuid"], enabled.json["state"]) == (board, "open")
    assert made.json["host"] == "cam.kitchen.boards.example.org"
    assert hosts == ["cam.kitchen.boards.example.org", "kitchen.boards.example.org"]
    assert {"board_uuid", "http_port", "https_port", "dns", "zone", "extra"} <= set(of_board)
    assert "email" not in of_board
    assert (deleted.status_int, disabled.status_int) == (204, 204)
    assert (tunnels.open_now, dns.records, proxy.sites, holdings(site)) == ({}, {}, {}, [])
    assert listed(site, "/v1/enabledwebservices", "EnabledWebservices") == []


def test_the_proxy_is_told_all(site: Site, board: str) -> None:
    """Both public ports lead to the board's 80 and 443, and the site knows them."""
    enabled = enable(site).json
    expose(site, port="8080")
    tunnels, dns, proxy, _ = outside(site)

    ways = {tunnel.local_port: tunnel.public_port for tunnel in tunnels.open_now.values()}
    assert ways == {80: enabled["http_port"], 443: enabled["https_port"]}
    published = proxy.sites["cam.kitchen.boards.example.org"]
    assert (published.port, published.secure, published.board) == (8080, True, board)
    assert (published.http_port, published.https_port) == (ways[80], ways[443])
    assert dns.records[published.host].zone == "boards.example.org"


@pytest.mark.parametrize("suffix", ["", "/detail"])
def test_lists(site: Site, board: str, suffix: str) -> None:
    """D-17, D-18: details work, pages follow one another, an exact page is the last."""
    enable(site)
    for number in range(3):
        expose(site, f"web-{number}", 8000 + number)

    for path in ("/v1/webservices", BOARD):
        first = site.ask("GET", f"{path}{suffix}?limit=2&fields=name", token="reader").json
        second = site.ask("GET", first["next"].removeprefix(BASE_URL), token="reader").json
        exact = site.ask("GET", f"{path}{suffix}?limit=3", token="reader").json
        assert [item["name"] for item in first["webservices"]] == ["web-0", "web-1"]
        assert (second["webservices"], "next" in second) == ([{"name": "web-2"}], False)
        assert (len(exact["webservices"]), "next" in exact) == (3, False)
    enabled = site.ask("GET", f"/v1/enabledwebservices{suffix}?limit=1", token="reader").json
    assert (len(enabled["EnabledWebservices"]), "next" in enabled) == (1, False)


def test_full_pages_of_enabled_boards(site: Site, board: str) -> None:
    """D-18: a full page of boards, which have no uuid of their own, leads to the next."""
    online_board(site, "hall")
    enable(site)
    enable(site, "hall", dns="hall")

    first = site.ask("GET", "/v1/enabledwebservices?limit=1&fields=dns", token="member").json
    second = site.ask("GET", first["next"].removeprefix(BASE_URL), token="member").json

    assert first["EnabledWebservices"] == [{"dns": "kitchen"}]
    assert second == {"EnabledWebservices": [{"dns": "hall"}]}


def test_the_clients_spelling_of_detail(site: Site, board: str) -> None:
    """IoTronic's client asks for ``webservicesdetail``."""
    enable(site)
    expose(site)

    [item] = listed(site, "/v1/boards/kitchen/webservicesdetail", "webservices")

    assert (item["secure"], item["port"], item["board_uuid"]) == (True, 8080, board)


def test_order_of_things(site: Site, board: str) -> None:
    """Enabled first; enabled once; a name and a port once; disabled last."""
    early = expose(site)
    enable(site)
    twice = enable(site, dns="other")
    expose(site)
    same_name, same_port = expose(site, port=8081), expose(site, "door")
    in_use = site.ask("DELETE", f"{BOARD}/disable", token="member")
    online_board(site, "hall")
    never = site.ask("DELETE", "/v1/boards/hall/webservices/disable", token="member")

    assert never.status_int == 404
    assert (early.status_int, early.json["code"]) == (404, "iot.enabled_webservice.not_found")
    assert (twice.status_int, twice.json["code"]) == (409, "iot.enabled_webservice.exists")
    assert (same_name.status_int, same_name.json["details"]["field"]) == (409, "name")
    assert (same_port.status_int, same_port.json["details"]["field"]) == (409, "port")
    assert (in_use.status_int, in_use.json["code"]) == (409, "iot.enabled_webservice.in_use")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dns", "../../etc"),
        ("dns", "a;b"),
        ("dns", "a\nserver_name"),
        ("dns", "-a"),
        ("dns", "a..b"),
        ("dns", "ä"),
        ("dns", "x" * 64),
        ("dns", ""),
        ("zone", "org/"),
        ("zone", "1.2.3.4"),
        ("zone", "exa mple.org"),
        ("email", "nobody"),
        ("email", "a@b\n"),
        ("email", "a`id`@example.org"),
        ("email", "-x@example.org"),
        ("nonsense", 1),
    ],
)
def test_names_that_are_none(site: Site, board: str, field: str, value: Any) -> None:
    """D-10, D-25: nothing that could bend a configuration or a file name gets through."""
    answer = enable(site, **{field: value})

    assert answer.status_int == 400
    assert field in fault(answer)
    assert holdings(site) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "a.b"),
        ("name", "../x"),
        ("name", "a_b"),
        ("name", "x" * 46),
        ("port", 0),
        ("port", "65536"),
        ("secure", "perhaps"),
    ],
)
def test_web_services_that_are_none(site: Site, board: str, field: str, value: Any) -> None:
    """A name is one label, a port a port, a boolean a boolean."""
    enable(site)

    answer = site.ask("PUT", BOARD, {"name": "a", "port": 1, field: value}, token="member")

    assert answer.status_int == 400
    assert field in fault(answer)


def test_names_are_kept_in_lower_case(site: Site, board: str) -> None:
    """``Kitchen`` and ``kitchen`` are one name, with or without the zone's dot."""
    online_board(site, "hall")
    first = enable(site, dns="Kitchen", zone="Boards.Example.org.")
    second = enable(site, "hall")

    assert first.json["host"] == "kitchen.boards.example.org"
    assert (second.status_int, second.json["code"]) == (409, "iot.dns.name_taken")


@pytest.mark.parametrize(
    ("dns", "zone", "expected"),
    [
        ("kitchen", "boards.example.org", 409),
        ("kitchen.boards", "example.org", 409),
        ("evil.kitchen", "boards.example.org", 409),
        ("cam.kitchen", "boards.example.org", 409),
        ("boards", "example.org", 409),
        ("kitchenette", "boards.example.org", 201),
        ("kitchen", "boards2.example.org", 201),
    ],
)
def test_nobody_gets_into_anothers_name(
    site: Site, board: str, dns: str, zone: str, expected: int
) -> None:
    """Another project gets neither the same name nor one above or below it."""
    enable(site)
    expose(site)
    online_board(site, "theirs", "stranger")

    answer = enable(site, "theirs", "stranger", dns=dns, zone=zone)

    assert answer.status_int == expected, answer.text


def test_only_the_operators_zones(site: Site, board: str) -> None:
    """Where the operator names zones, names are given in no other."""
    commands = site.commands["enabled_webservice"]
    reach = ReachSettings(zones=("iot.example.org",))
    commands._parts = replace(site.parts, settings=replace(site.parts.settings, reach=reach))

    refused, allowed = enable(site), enable(site, zone="iot.example.org")

    assert (refused.status_int, refused.json["code"]) == (400, "iot.dns.zone_not_allowed")
    assert allowed.status_int == 201


def test_a_board_that_is_away(site: Site, board: str) -> None:
    """Publishing needs the board; taking back does not."""
    enable(site)
    made = expose(site).json["uuid"]
    set_online(site, board, online=False)

    for answer in (
        expose(site, "door", 1),
        site.ask("POST", f"{BOARD}/renew", token="member"),
    ):
        assert (answer.status_int, answer.json["code"]) == (400, "iot.board.offline")
    assert site.ask("DELETE", f"/v1/webservices/{made}", token="member").status_int == 204
    assert site.ask("DELETE", f"{BOARD}/disable", token="member").status_int == 204
    assert enable(site).status_int == 400


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_renew(site: Site, board: str, method: str) -> None:
    """D-33: POST renews, GET stays; not enabled is a 404; the fake says what it is."""
    missing = site.ask(method, f"{BOARD}/renew", token="member")
    enable(site)
    renewed = site.ask(method, f"{BOARD}/renew", token="member")

    assert missing.status_int == 404
    assert renewed.status_int == 200
    assert "no authority was asked" in renewed.json
    assert outside(site)[2].renewed == ["kitchen.boards.example.org"]
    assert site.ask(method, f"{BOARD}/renew", token="reader").status_int == 403


def test_tenants_are_apart(site: Site, board: str) -> None:
    """D-04, D-05: other projects see and change nothing; owners change their own."""
    enable(site)
    made = expose(site).json["uuid"]

    for method, path, body in (
        ("GET", f"/v1/boards/{board}/webservices", None),
        ("PUT", f"/v1/boards/{board}/webservices", {"name": "x", "port": 1}),
        ("POST", f"/v1/boards/{board}/webservices/enable", NAME),
        ("DELETE", f"/v1/boards/{board}/webservices/disable", None),
        ("POST", f"/v1/boards/{board}/webservices/renew", None),
        ("GET", f"/v1/webservices/{made}", None),
        ("DELETE", f"/v1/webservices/{made}", None),
    ):
        answer = site.ask(method, path, body, token="stranger")
        assert answer.status_int == 404, (method, path, answer.text)
    assert listed(site, "/v1/webservices", "webservices", "stranger") == []
    assert listed(site, "/v1/enabledwebservices", "EnabledWebservices", "stranger") == []
    assert len(listed(site, "/v1/webservices", "webservices")) == 1
    assert site.ask("GET", f"/v1/webservices/{made}", token="reader").status_int == 200


def test_a_driver_that_refuses_leaves_nothing(site: Site, board: str) -> None:
    """D-26, D-34: what failed half-way is undone, by the periodic work if need be."""
    _, dns, proxy, _ = outside(site)
    proxy.failure = DriverFailed("the proxy said no")

    refused = enable(site)
    [half] = listed(site, "/v1/enabledwebservices", "EnabledWebservices")
    again = enable(site)
    proxy.failure = None
    site.clock.advance(10)
    settle(site)
    site.periodic("resume-enabled-webservices")

    assert (refused.status_int, refused.json["code"]) == (502, "iot.driver.failed")
    assert (half["state"], half["cause"]["code"]) == ("closing", "iot.driver.failed")
    assert (again.status_int, again.json["code"]) == (409, "iot.reach.closing")
    assert (holdings(site), dns.records) == ([], {})
    assert enable(site).status_int == 201


def test_one_name_for_one_of_many(site: Site) -> None:
    """Of many boards that ask for one name at once, one gets it and the others a 409."""
    boards = [online_board(site, f"b{number}") for number in range(6)]
    codes: list[int] = []

    def ask(board: str) -> None:
        codes.append(enable(site, board).status_int)

    threads = [threading.Thread(target=ask, args=(board,)) for board in boards]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(codes) == [201, 409, 409, 409, 409, 409]


def test_a_deleted_board_gives_all_back(site: Site, board: str) -> None:
    """Deleting a board frees its names and ports through the drivers; others may have them."""
    enable(site)
    expose(site)
    online_board(site, "hall")
    tunnels, dns, proxy, _ = outside(site)

    site.ask("DELETE", f"/v1/boards/{board}", token="member")
    before = enable(site, "hall")
    settle(site)
    after = enable(site, "hall")

    assert (before.status_int, after.status_int) == (409, 201)
    assert list(dns.records) == list(proxy.sites) == ["kitchen.boards.example.org"]
    assert len(tunnels.open_now) == 2
    assert listed(site, "/v1/webservices", "webservices") == []
