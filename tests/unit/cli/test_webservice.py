"""The commands on web services and ports, run against a fake cloud."""

from __future__ import annotations

from tests.fakes.http_cloud import HttpCloud
from tests.unit.cli.conftest import Iot

NETWORK = "aaaaaaaa-0000-4000-8000-000000000001"


def test_a_boards_name_is_given_and_taken_back(iot: Iot, cloud: HttpCloud) -> None:
    """Enable, list, renew and disable send what they say."""
    given = ("kitchen", "k", "example.org", "me@example.org")
    made = iot("webservice", "enable", *given, "-f", "json").json
    sent = cloud.last.body
    again = iot("webservice", "enable", *given)
    listed = iot("webservice", "enabled", "list", "-f", "json").json
    renewed = iot("webservice", "renew", "kitchen", "-f", "value")
    gone = iot("webservice", "disable", "kitchen")

    assert sent == {"dns": "k", "zone": "example.org", "email": "me@example.org"}
    assert made["host"] == "k.example.org"
    assert (again.code, "enabled already" in again.err) == (1, True)
    assert [row["host"] for row in listed] == ["k.example.org"]
    assert "certificate of kitchen renewed" in renewed.out
    assert (gone.code, cloud.enabled) == (0, {})


def test_a_web_server_is_published_and_withdrawn(iot: Iot, cloud: HttpCloud) -> None:
    """Expose, show, list (all or a board's) and unexpose."""
    iot("webservice", "expose", "kitchen", "door", "80", "--plain")
    sent = cloud.last.body
    every = iot("webservice", "list", "-f", "json").json
    of_board = iot("webservice", "list", "--board", "kitchen", "-f", "json").json
    shown = iot("webservice", "show", of_board[0]["uuid"], "-f", "json").json
    gone = iot("webservice", "unexpose", *[row["uuid"] for row in every])

    assert sent == {"name": "door", "port": 80, "secure": False, "extra": {}}
    assert {row["name"] for row in every} == {"cam", "door"}
    assert {row["board_uuid"] for row in of_board} == {cloud.find("boards", "kitchen")["uuid"]}
    assert shown["name"] == of_board[0]["name"]
    assert (gone.code, cloud.collections["webservices"]) == (0, {})


def test_a_board_is_attached_and_taken_off(iot: Iot, cloud: HttpCloud) -> None:
    """Attach, show, list (all or a board's) and detach."""
    made = iot("port", "attach", "kitchen", NETWORK, "--security-group", NETWORK, "-f", "json")
    sent = cloud.last.body
    every = iot("port", "list", "--all", "-f", "json").json
    query = cloud.last.query
    of_board = iot("port", "list", "--board", "kitchen", "-f", "json").json
    shown = iot("port", "show", made.json["uuid"], "-f", "json").json
    gone = iot("port", "detach", made.json["uuid"])

    assert sent == {"network": NETWORK, "security_groups": [NETWORK]}
    assert query["all_ports"] == "true"
    assert len(every) == len(of_board) == 2
    assert (shown["uuid"], gone.code) == (made.json["uuid"], 0)
