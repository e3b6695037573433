"""The commands on fleets, run against a fake cloud."""

from __future__ import annotations

from tests.fakes.http_cloud import HttpCloud, item
from tests.unit.cli.conftest import Iot


def test_a_fleet_is_made_changed_and_deleted(iot: Iot, cloud: HttpCloud) -> None:
    """Create, list, show, set and delete send what they say."""
    made = iot("fleet", "create", "slope", "--description", "south", "-f", "json").json
    listed = iot("fleet", "list", "-f", "json").json
    changed = iot("fleet", "set", "slope", "--extra", '{"a": 1}', "-f", "json").json
    shown = iot("fleet", "show", "slope", "-f", "json").json
    gone = iot("fleet", "delete", "slope", "--release")

    assert made["description"] == "south"
    assert {row["name"] for row in listed} == {"field", "slope"}
    assert changed["extra"] == shown["extra"] == {"a": 1}
    assert (gone.code, cloud.last.query) == (0, {"release": "true"})


def test_boards_are_put_in_and_taken_out(iot: Iot, cloud: HttpCloud) -> None:
    """Adding and removing change the boards; one that is elsewhere is left alone."""
    cloud.collections["boards"]["porch"] = item("porch", status="online")
    fleet = cloud.find("fleets", "field")["uuid"]

    iot("fleet", "board", "add", "field", "kitchen")
    inside = iot("fleet", "board", "list", "field", "-f", "json").json
    removed = iot("fleet", "board", "remove", "field", "porch", "kitchen")

    assert [row["name"] for row in inside] == ["kitchen"]
    assert (removed.code, "porch is not in field" in removed.err) == (0, True)
    assert cloud.find("boards", "kitchen")["fleet"] is None
    assert "fleet" not in cloud.find("boards", "porch")
    assert fleet


def test_one_wrong_board_does_not_stop_the_others(iot: Iot, cloud: HttpCloud) -> None:
    """An unknown board is told of; the rest is done."""
    found = iot("fleet", "board", "add", "field", "cellar", "kitchen")

    assert found.code == 1
    assert "board cellar could not be found" in found.err
    assert cloud.find("boards", "kitchen")["fleet"] == cloud.find("fleets", "field")["uuid"]


def test_board_commands_know_fleets(iot: Iot, cloud: HttpCloud) -> None:
    """A board says its fleet at create and set, and leaves it."""
    iot("board", "create", "hall", "--fleet", "field")
    created = cloud.last.body
    iot("board", "list", "--fleet", "field")
    listed = cloud.last.query
    iot("board", "set", "hall", "--unset-fleet")

    assert created == {"name": "hall", "fleet": "field"}
    assert listed["fleet"] == "field"
    assert cloud.last.body == {"fleet": None}
