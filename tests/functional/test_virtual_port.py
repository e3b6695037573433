"""Virtual ports over HTTP: attached, listed, detached, never leaked."""

from __future__ import annotations

from typing import Any

import pytest

from iotronic_mec.drivers.failure import DriverFailed
from tests.fakes.reach import holdings, online_board, outside, set_online, settle
from tests.fakes.site import BASE_URL, Site, fault

PORTS = "/v1/boards/kitchen/ports"
NETWORK = "aaaaaaaa-0000-4000-8000-000000000001"
SUBNET = "aaaaaaaa-0000-4000-8000-000000000002"


def attach(site: Site, board: str = "kitchen", token: str = "member", **changes: Any) -> Any:
    """Attach a board and return the answer."""
    body = {"network": NETWORK, "subnet": SUBNET, **changes}
    return site.ask("PUT", f"/v1/boards/{board}/ports", body, token=token)


def listed(site: Site, path: str = PORTS, token: str = "member") -> list[dict[str, Any]]:
    """Return the ports of a list."""
    answer = site.ask("GET", path, token=token)
    assert answer.status_int == 200, answer.text
    return list(answer.json["ports"])


@pytest.fixture
def board(site: Site) -> str:
    """Give a board that is online."""
    return online_board(site)


def test_attached_and_detached(site: Site, board: str) -> None:
    """Attaching answers an object with IoTronic's names; detaching frees all."""
    network = outside(site)[3]

    made = attach(site)
    port = made.json
    asked = network.ports[port["uuid"]]
    gone = site.ask("DELETE", f"{PORTS}/{port['uuid']}", token="member")

    assert made.status_int == 200, made.text
    assert (port["board_uuid"], port["state"], port["driver"]) == (board, "open", "fake")
    assert port["VIF_name"] == port["vif_name"]
    assert 10_000 <= int(port["VIF_name"].removeprefix("iotronic")) <= 20_000
    assert port["MAC_add"] == port["mac_add"]
    assert port["MAC_add"].startswith("fa:16:3e:")
    assert (port["network"], port["network_uuid"]) == (SUBNET, NETWORK)
    assert (asked.network, asked.subnet, asked.board) == (NETWORK, SUBNET, board)
    assert (gone.status_int, listed(site), holdings(site), network.ports) == (204, [], [], {})


def test_lists_and_fields(site: Site, board: str) -> None:
    """D-16, D-17, D-18: details, fields in whatever case, sorted pages, by board and all."""
    made = [attach(site).json["uuid"] for _ in range(3)]

    for path in ("/v1/ports", PORTS, f"{PORTS}/detail", "/v1/ports/detail"):
        query = "?limit=2&sort_key=VIF_name&fields=MAC_add,uuid"
        first = site.ask("GET", path + query, token="reader").json
        second = site.ask("GET", first["next"].removeprefix(BASE_URL), token="reader").json
        items = first["ports"] + second["ports"]
        assert {item["uuid"] for item in items} == set(made)
        assert set(items[0]) == {"uuid", "MAC_add", "mac_add"}
    one = site.ask("GET", f"{PORTS}/{made[0]}?fields=VIF_name", token="reader").json
    assert set(one) == {"VIF_name", "vif_name"}


def test_a_board_shows_its_own_ports_only(site: Site, board: str) -> None:
    """D-20: a port of another board or project is not in the list, and not there by uuid."""
    online_board(site, "hall")
    online_board(site, "theirs", "stranger")
    own, halls = attach(site).json["uuid"], attach(site, "hall").json["uuid"]
    theirs = attach(site, "theirs", "stranger").json["uuid"]

    assert [item["uuid"] for item in listed(site)] == [own]
    assert [item["uuid"] for item in listed(site, "/v1/ports")] == [own, halls]
    assert len(listed(site, "/v1/ports?all_ports=true", "admin")) == 3
    assert site.ask("GET", "/v1/ports?all_ports=true", token="member").status_int == 400
    for path in (f"{PORTS}/{halls}", f"/v1/ports/{theirs}", f"{PORTS}/{theirs}"):
        for method in ("GET", "DELETE"):
            answer = site.ask(method, path, token="member")
            assert (answer.status_int, answer.json["code"]) == (404, "iot.port.not_found")
    assert site.ask("DELETE", f"/v1/ports/{halls}", token="member").status_int == 204


def test_tenants_are_apart(site: Site, board: str) -> None:
    """D-04: attaching and detaching have a rule, and the board a project."""
    port = attach(site).json["uuid"]

    assert attach(site, board, "stranger").status_int == 404
    assert attach(site, board, "reader").status_int == 403
    assert site.ask("DELETE", f"/v1/ports/{port}", token="reader").status_int == 403
    assert listed(site, "/v1/ports", "stranger") == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("network", "default"),
        ("network", "'; ip link"),
        ("subnet", "10.0.0.0/24"),
        ("security_groups", ["web"]),
        ("mac", "00:00:00:00:00:00"),
    ],
)
def test_ids_are_uuids(site: Site, board: str, field: str, value: Any) -> None:
    """Networks, subnets and security groups are uuids; nothing else may be said."""
    answer = attach(site, **{field: value})

    assert answer.status_int == 400
    assert field in fault(answer)


def test_a_board_that_is_away(site: Site, board: str) -> None:
    """Attaching and detaching need the board online."""
    port = attach(site).json["uuid"]
    set_online(site, board, online=False)

    for answer in (attach(site), site.ask("DELETE", f"/v1/ports/{port}", token="member")):
        assert (answer.status_int, answer.json["code"]) == (400, "iot.board.offline")


def test_failures_are_told_and_nothing_leaks(site: Site, board: str) -> None:
    """D-27: neither a 200 with null nor a 204 that removes nothing."""
    network = outside(site)[3]
    network.failure = DriverFailed("quota of ports exceeded")
    refused = attach(site)
    network.failure = None
    site.clock.advance(10)
    site.periodic()
    port = attach(site).json["uuid"]
    network.failure = DriverFailed("not now")
    site.ask("DELETE", f"{PORTS}/{port}", token="member")
    [left] = listed(site)
    network.failure = None
    site.clock.advance(400)
    site.periodic()

    assert (refused.status_int, "quota of ports" in fault(refused)) == (502, True)
    assert left["state"] == "closing"
    assert (listed(site), holdings(site), network.ports) == ([], [], {})


def test_a_deleted_board_gives_its_ports_back(site: Site, board: str) -> None:
    """D-27: what is outside is known from the database, also after a restart."""
    attach(site)
    network = outside(site)[3]

    site.ask("DELETE", f"/v1/boards/{board}", token="member")
    settle(site)

    assert (network.ports, holdings(site)) == ({}, [])
