"""Exposed services over HTTP: states, ports, tenants, and what a driver breaks."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from iotronic_mec.drivers.failure import DriverFailed
from iotronic_mec.drivers.tunnel.base import Tunnel
from iotronic_mec.feature import ReachSettings
from iotronic_mec.features.holding.model import GRACE_S
from tests.fakes.reach import holdings, make_board, online_board, outside, set_online, settle
from tests.fakes.site import BASE_URL, Site, fault
from tests.functional.test_service import service

BOARD = "/v1/boards/kitchen/services"


def act(
    site: Site, action: str, name: str = "ssh", board: str = "kitchen", token: str = "member"
) -> Any:
    """Do an action and return the answer."""
    path = f"/v1/boards/{board}/services/{name}/action"
    return site.ask("POST", path, {"action": action}, token=token)


def exposed(site: Site, path: str = BOARD, token: str = "member") -> list[dict[str, Any]]:
    """Return what is exposed."""
    answer = site.ask("GET", path, token=token)
    assert answer.status_int == 200, answer.text
    return list(answer.json["exposed"])


def narrow(site: Site, ports: int) -> None:
    """Let the cloud have so many public ports."""
    settings = site.parts.settings
    reach = ReachSettings(ports=(50_001, 50_000 + ports))
    site.commands["exposed_service"]._parts = replace(
        site.parts, settings=replace(settings, reach=reach)
    )


def test_enable_disable_restore(site: Site) -> None:
    """The life of an exposed service; each answer is a JSON string and names the fake."""
    board, uuid = online_board(site), service(site)["uuid"]

    enabled = act(site, "ServiceEnable")
    [shown] = exposed(site)
    restored = act(site, "ServiceRestore")
    [tunnel] = outside(site)[0].open_now.values()
    disabled = act(site, "ServiceDisable", uuid)

    assert enabled.status_int == 200, enabled.text
    assert isinstance(enabled.json, str)
    assert "nothing is forwarded" in enabled.json
    assert (shown["service"], shown["name"], shown["port"]) == (uuid, "ssh", 22)
    assert (shown["state"], shown["driver"], shown["board_uuid"]) == ("open", "fake", board)
    assert 50_000 <= shown["public_port"] <= 59_999
    assert str(shown["public_port"]) in enabled.json
    assert (tunnel.board, tunnel.local_port) == (board, 22)
    assert tunnel.public_port == shown["public_port"]
    assert restored.status_int == disabled.status_int == 200
    assert exposed(site) == [] and holdings(site) == []
    assert outside(site)[0].open_now == {}


def test_answers_of_conflicts(site: Site) -> None:
    """D-13: enabled twice is a 409, not enabled a 404, an unknown action a 400."""
    online_board(site)
    service(site)
    assert act(site, "ServiceDisable").status_int == 404
    assert act(site, "ServiceRestore").status_int == 404
    act(site, "ServiceEnable")

    again = act(site, "ServiceEnable")
    unknown = act(site, "ServiceExplode")

    assert (again.status_int, again.json["code"]) == (409, "iot.exposed_service.exists")
    assert unknown.status_int == 400
    assert "ServiceEnable" in fault(unknown)
    assert len(exposed(site)) == 1


@pytest.mark.parametrize("action", ["ServiceEnable", "ServiceDisable", "ServiceRestore"])
def test_a_board_that_is_away(site: Site, action: str) -> None:
    """All actions need the board online; an offline one is a 400 that says why."""
    board = online_board(site)
    service(site)
    if action != "ServiceEnable":
        act(site, "ServiceEnable")
    set_online(site, board, online=False)

    answer = act(site, action)

    assert (answer.status_int, answer.json["code"]) == (400, "iot.board.offline")
    assert site.ask("GET", f"{BOARD}/restore", token="member").status_int == 400


def test_restore_all_by_get_and_by_post(site: Site) -> None:
    """D-33: POST restores; GET stays for IoTronic's client, whose library POSTs an action."""
    online_board(site)
    service(site)
    act(site, "ServiceEnable")

    got = site.ask("GET", f"{BOARD}/restore", token="member")
    posted = site.ask("POST", f"{BOARD}/restore", {"action": "ServiceRestore"}, token="member")
    wrong = site.ask("POST", f"{BOARD}/restore", {"action": "ServiceDisable"}, token="member")

    assert [len(answer.json["exposed"]) for answer in (got, posted)] == [1, 1]
    assert wrong.status_int == 400
    assert site.ask("GET", f"{BOARD}/restore", token="reader").status_int == 403


def test_status_says_what_is_reachable(site: Site) -> None:
    """The status names each service and admits that the fake forwards nothing."""
    online_board(site)
    service(site)
    act(site, "ServiceEnable")

    told = site.ask("GET", f"{BOARD}/status", token="reader").json

    assert "1 service(s) exposed on board kitchen" in told
    assert "open, not reachable" in told
    assert "driver 'fake'" in told


def test_lists_in_pages(site: Site) -> None:
    """What is exposed comes in pages, with a choice of fields, and one by one."""
    online_board(site)
    for name in ("a", "b", "c"):
        service(site, name)
        act(site, "ServiceEnable", name)

    first = site.ask("GET", f"{BOARD}/detail?limit=2&fields=name", token="member").json
    second = site.ask("GET", first["next"].removeprefix(BASE_URL), token="member").json
    one = site.ask("GET", f"{BOARD}/b", token="member").json

    assert [item["name"] for item in first["exposed"] + second["exposed"]] == ["a", "b", "c"]
    assert "next" not in second
    assert (one["name"], one["state"]) == ("b", "open")


def test_tenants_are_apart(site: Site) -> None:
    """Another project's board or private service is a 404, and nothing is opened."""
    theirs = online_board(site, "theirs", "stranger")
    private = service(site, "private", "stranger")["uuid"]
    online_board(site)
    service(site)

    on_their_board = act(site, "ServiceEnable", board=theirs)
    their_service = act(site, "ServiceEnable", private)

    assert (on_their_board.status_int, their_service.status_int) == (404, 404)
    assert site.ask("GET", f"/v1/boards/{theirs}/services", token="member").status_int == 404
    assert (
        site.ask("GET", f"/v1/boards/{theirs}/services/status", token="member").status_int == 404
    )
    assert holdings(site) == []


def test_a_public_service_is_used_by_others(site: Site) -> None:
    """A public service is exposed on other projects' boards, and then stays."""
    shared = service(site, "shared", "stranger", public=True)["uuid"]
    board = online_board(site)

    assert act(site, "ServiceEnable", "shared").status_int == 200
    refused = site.ask("DELETE", f"/v1/services/{shared}", token="stranger")

    assert (refused.status_int, refused.json["code"]) == (409, "iot.service.in_use")
    assert board not in refused.text
    site.ask("PATCH", f"/v1/services/{shared}", {"public": False}, token="stranger")
    assert act(site, "ServiceDisable", "shared").status_int == 200


def used_by_others(site: Site) -> str:
    """Make a public service of the stranger's that is exposed on a board of either project."""
    shared = str(service(site, "shared", "stranger", public=True)["uuid"])
    online_board(site)
    online_board(site, "theirs", "stranger")
    assert act(site, "ServiceEnable", "shared").status_int == 200
    own = act(site, "ServiceEnable", "shared", board="theirs", token="stranger")
    assert own.status_int == 200
    return shared


def delete(site: Site, uuid: str, token: str = "stranger", force: bool = True) -> Any:
    """Delete a service, by force."""
    query = "?force=true" if force else ""
    return site.ask("DELETE", f"/v1/services/{uuid}{query}", token=token)


def test_an_owner_is_told_how_many_others_use_it(site: Site) -> None:
    """Their number, not who they are; the own boards by name."""
    shared = used_by_others(site)
    theirs = site.ask("GET", "/v1/boards/theirs", token="stranger").json["uuid"]

    refused = delete(site, shared, force=False)

    assert (refused.status_int, refused.json["code"]) == (409, "iot.service.in_use")
    assert refused.json["details"] == {"boards": [theirs], "others": 1, "closing": 0}
    assert "exposed on 2 board(s), 1 of them of other projects" in fault(refused)
    assert "by force" in fault(refused)


def test_an_owner_withdraws_it_by_force(site: Site) -> None:
    """All public ports are given back, then it goes; the others are told why and by whom not."""
    shared = used_by_others(site)
    owner = site.ask("GET", "/v1/whoami", token="stranger").json
    member = site.ask("GET", "/v1/whoami", token="member").json["project"]

    gone = delete(site, shared)

    assert gone.status_int == 204, gone.text
    assert holdings(site) == []
    assert exposed(site) == []
    assert site.ask("GET", f"/v1/services/{shared}", token="stranger").status_int == 404
    rows = site.ask("GET", "/v1/audit?action=exposed_service.close").json["audit"]
    assert {(row["project"], row["outcome"], row["reason"]) for row in rows} == {
        (member, "success", "iot.service.withdrawn"),
        (owner["project"], "success", "iot.service.withdrawn"),
    }
    assert [row["user"] == owner["user"] for row in rows if row["project"] == member] == [False]
    [row] = site.ask("GET", "/v1/audit?action=service.withdraw").json["audit"]
    assert (row["user"], row["details"]) == (owner["user"], {"boards": 2, "others": 1})


def test_what_a_driver_keeps_is_withdrawn_later(site: Site) -> None:
    """Until then it is not deleted and nobody else takes it; later a second try deletes it."""
    shared = used_by_others(site)
    tunnels = outside(site)[0]
    tunnels.failure = DriverFailed("not now")

    first = delete(site, shared)
    shown = site.ask("GET", f"/v1/services/{shared}", token="stranger").json
    taken = act(site, "ServiceEnable", shared)
    tunnels.failure = None
    site.clock.advance(400)
    settle(site)
    site.periodic("resume-exposed-services")
    second = delete(site, shared, force=False)

    assert (first.status_int, first.json["code"]) == (409, "iot.service.in_use")
    assert (first.json["details"]["others"], first.json["details"]["closing"]) == (1, 2)
    assert "try again later" in fault(first)
    assert shown["public"] is False
    assert taken.status_int == 404
    assert second.status_int == 204, second.text


def test_force_is_the_owners(site: Site) -> None:
    """Whoever only uses it, or only reads, cannot withdraw it; unused it goes by force too."""
    shared = used_by_others(site)
    private = service(site, "private", "stranger")["uuid"]

    told = [delete(site, shared, who).status_int for who in ("member", "reader")]
    unseen = delete(site, private, "member")

    assert told == [403, 403]
    assert unseen.status_int == 404
    assert len(holdings(site)) == 2
    assert delete(site, private).status_int == 204


def test_a_service_in_use_stays(site: Site) -> None:
    """D-22: neither deleted nor bent while exposed; afterwards both go."""
    board = online_board(site)
    service(site)
    act(site, "ServiceEnable")
    path = "/v1/services/ssh"

    refused = site.ask("DELETE", path, token="member")
    bent = site.ask("PATCH", path, {"port": 2222}, token="member")
    renamed = site.ask("PATCH", path, {"extra": {"a": 1}}, token="member")
    act(site, "ServiceDisable")

    assert (refused.status_int, refused.json["details"]["boards"]) == (409, [board])
    assert (bent.status_int, renamed.status_int) == (409, 200)
    assert site.ask("PATCH", path, {"port": 2222}, token="member").status_int == 200
    assert site.ask("DELETE", path, token="member").status_int == 204


def test_every_port_of_the_range_is_used_and_used_again(site: Site) -> None:
    """D-26: both ends of the range are used, none twice; a freed one is used again."""
    narrow(site, 3)
    online_board(site)
    for name in ("a", "b", "c", "d"):
        service(site, name)

    codes = [act(site, "ServiceEnable", name).status_int for name in ("a", "b", "c", "d")]
    ports = {item["public_port"] for item in exposed(site)}
    act(site, "ServiceDisable", "b")
    again = act(site, "ServiceEnable", "d")

    assert codes == [200, 200, 200, 503]
    assert ports == {50_001, 50_002, 50_003}
    assert again.status_int == 200


def test_many_at_once_get_ports_of_their_own(site: Site) -> None:
    """D-26: concurrent requests never get one port; the same service wins once."""
    online_board(site)
    for number in range(6):
        service(site, f"s{number}")
    answers: list[int] = []

    def enable(name: str) -> None:
        answers.append(act(site, "ServiceEnable", name).status_int)

    threads = [
        threading.Thread(target=enable, args=(f"s{number}",))
        for number in range(6)
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    ports = [item["public_port"] for item in exposed(site)]
    assert sorted(answers) == [200] * 6 + [409] * 6
    assert len(ports) == len(set(ports)) == 6


def test_a_driver_that_refuses_leaves_nothing(site: Site) -> None:
    """D-26: what could not be opened is given back; the caller is told by whom."""
    online_board(site)
    service(site)
    tunnels = outside(site)[0]
    tunnels.failure = DriverFailed("the tunnel server said no")

    refused = act(site, "ServiceEnable")
    [closing] = exposed(site)
    tunnels.failure = None
    site.clock.advance(10)
    settle(site)
    site.periodic("resume-exposed-services")

    assert (refused.status_int, refused.json["code"]) == (502, "iot.driver.failed")
    assert "said no" in fault(refused)
    assert (closing["state"], closing["cause"]["code"]) == ("closing", "iot.driver.failed")
    assert holdings(site) == [] and exposed(site) == []
    assert act(site, "ServiceEnable").status_int == 200


def test_a_failed_restore_takes_nothing_away(site: Site) -> None:
    """What was open stays so when it cannot be opened once more; the cause is shown."""
    online_board(site)
    service(site)
    act(site, "ServiceEnable")
    tunnels = outside(site)[0]
    tunnels.failure = DriverFailed("not now")

    one = act(site, "ServiceRestore")
    every = site.ask("POST", f"{BOARD}/restore", {}, token="member")
    [during] = exposed(site)
    tunnels.failure = None
    again = act(site, "ServiceRestore")

    assert (one.status_int, every.status_int) == (502, 502)
    assert (during["state"], during["cause"]["code"]) == ("open", "iot.driver.failed")
    assert again.status_int == 200
    assert [(item["state"], item["cause"]) for item in exposed(site)] == [("open", None)]


def test_what_a_driver_opens_too_late_is_given_back(site: Site) -> None:
    """A board deleted, and its port given back, while a driver is opening: nothing stays open."""
    board = online_board(site)
    service(site)
    tunnels = outside(site)[0]
    whole = tunnels.open

    def slow(tunnel: Tunnel) -> None:
        site.ask("DELETE", f"/v1/boards/{board}", token="member")
        settle(site)
        whole(tunnel)

    tunnels.open = slow  # type: ignore[method-assign]
    late = act(site, "ServiceEnable")
    settle(site)

    assert (late.status_int, late.json["code"]) == (409, "iot.reach.withdrawn")
    assert tunnels.open_now == {} and holdings(site) == []


def test_what_cannot_be_given_back_is_kept_and_tried_again(site: Site) -> None:
    """D-27: a failing close is seen and retried; the port is nobody else's meanwhile."""
    narrow(site, 1)
    online_board(site)
    service(site)
    service(site, "web")
    act(site, "ServiceEnable")
    tunnels = outside(site)[0]
    tunnels.failure = DriverFailed("not now")

    disabled = act(site, "ServiceDisable")
    during = exposed(site)
    again, other = act(site, "ServiceEnable"), act(site, "ServiceEnable", "web")
    settle(site)
    tunnels.failure = None
    site.clock.advance(400)
    site.periodic()

    assert (disabled.status_int, "is being disabled" in disabled.json) == (200, True)
    assert [item["state"] for item in during] == ["closing"]
    assert (again.status_int, again.json["code"]) == (409, "iot.reach.closing")
    assert other.status_int == 503
    assert exposed(site) == [] and holdings(site) == []


def test_what_is_given_back_before_the_driver_has_made_it_is_not_lost(site: Site) -> None:
    """A driver that opens late, after all was given back, is asked to close once more."""
    online_board(site)
    service(site)
    tunnels = outside(site)[0]
    opened, meanwhile = tunnels.open, []

    def open_late(tunnel: Tunnel) -> None:
        meanwhile.append(act(site, "ServiceDisable").status_int)
        opened(tunnel)

    tunnels.open = open_late  # type: ignore[method-assign]
    enabled = act(site, "ServiceEnable")
    tunnels.open = opened  # type: ignore[method-assign]

    assert (meanwhile, enabled.status_int) == ([200], 409)
    assert (tunnels.open_now, holdings(site), exposed(site)) == ({}, [], [])
    assert act(site, "ServiceEnable").status_int == 200


def test_what_a_crash_left_is_taken_up(site: Site) -> None:
    """A conductor that dies between row and driver leaves nothing half-way for ever."""
    online_board(site)
    service(site)
    commands = site.commands["exposed_service"]
    bring, commands._bring = commands._bring, lambda *_: None
    act(site, "ServiceEnable")
    commands._bring = bring
    [before] = exposed(site)

    site.periodic("resume-exposed-services")
    [early] = exposed(site)
    site.clock.advance(GRACE_S + 1)
    site.periodic("resume-exposed-services")
    [after] = exposed(site)

    assert (before["state"], early["state"], after["state"]) == ("opening", "opening", "open")
    assert len(outside(site)[0].open_now) == 1


def test_a_deleted_board_gives_all_back(site: Site) -> None:
    """Deleting a board frees its ports through the driver, and its service may go."""
    board = online_board(site)
    make_board(site, "other")
    service(site)
    act(site, "ServiceEnable")
    tunnels = outside(site)[0]

    deleted = site.ask("DELETE", f"/v1/boards/{board}", token="member")
    still = [held.state for held in holdings(site)]
    settle(site)

    assert (deleted.status_int, still) == (204, ["closing"])
    assert holdings(site) == [] and tunnels.open_now == {}
    assert site.ask("DELETE", "/v1/services/ssh", token="member").status_int == 204


def test_the_audit_tells_who_exposed_what(site: Site) -> None:
    """Opening, closing and refusals by drivers are in the audit."""
    online_board(site)
    service(site)
    act(site, "ServiceEnable")
    act(site, "ServiceDisable")
    outside(site)[0].failure = DriverFailed("no")
    act(site, "ServiceEnable")

    rows = site.ask("GET", "/v1/audit?target_kind=exposed_service").json["audit"]

    assert [(row["action"], row["outcome"]) for row in rows] == [
        ("exposed_service.open", "success"),
        ("exposed_service.close", "success"),
        ("exposed_service.close", "failure"),
    ]
