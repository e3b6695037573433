"""The commands that have boards do something to themselves, against a fake cloud."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.http_cloud import HttpCloud
from tests.unit.cli.conftest import Iot


def ordered(cloud: HttpCloud) -> dict[str, Any]:
    """Return the body of the order."""
    return next(dict(call.body) for call in cloud.calls if call.path.endswith("/action"))


@pytest.mark.parametrize(
    ("words", "action", "parameters"),
    [
        ("network kitchen", "DeviceNetConfig", {}),
        ("reboot kitchen", "DeviceReboot", {"delay": 3.0}),
        ("restart-agent kitchen --delay 10", "DeviceRestartLR", {"delay": 10.0}),
        ("upgrade-agent kitchen --to-version 1.2", "DeviceUpgradeLR", {"version": "1.2"}),
        (
            "package kitchen pip install six --package-version 1.0 --option=--no-deps",
            "DevicePkgOperation",
            {
                "manager": "pip",
                "command": "install",
                "package": "six",
                "version": "1.0",
                "options": ["--no-deps"],
            },
        ),
        (
            "rest-submit kitchen POST http://a.example/ --header X=y --data z",
            "DeviceRestSubmit",
            {"method": "POST", "url": "http://a.example/", "headers": {"X": "y"}, "data": "z"},
        ),
        ("factory-reset kitchen", "DeviceFactoryReset", {"identity": "keep"}),
        ("factory-reset kitchen --drop-identity", "DeviceFactoryReset", {"identity": "drop"}),
    ],
)
def test_orders(
    iot: Iot, cloud: HttpCloud, words: str, action: str, parameters: dict[str, Any]
) -> None:
    """Each command sends its action and waits for the end by the request."""
    found = iot("board", *words.split())

    body = ordered(cloud)
    assert found.code == 0, found.err
    assert (body["action"], body["parameters"], body["wait"]) == (action, parameters, False)
    assert "succeeded after" in found.err


def test_fleet_action_shows_each_board(iot: Iot, cloud: HttpCloud) -> None:
    """Progress counts boards; the results are one line for each."""
    cloud.total = 3

    found = iot("fleet", "action", "field", "DeviceEcho", "--parameter", "say=hi", "-f", "json")

    assert found.code == 0, found.err
    assert [row["state"] for row in found.json] == ["succeeded"] * 3
    assert "3 of 3 boards" in found.err
    assert ordered(cloud) == {"action": "DeviceEcho", "parameters": {"say": "hi"}}


def test_fleet_action_fails_when_one_board_does(iot: Iot, cloud: HttpCloud) -> None:
    """Programs see it by the exit code."""
    cloud.total, cloud.states = 2, ["failed"]

    found = iot("fleet", "action", "field", "DevicePing")

    assert found.code == 1
    assert "failed" in found.out


def test_fleet_action_without_waiting(iot: Iot, cloud: HttpCloud) -> None:
    """The request is told, and what there is so far."""
    found = iot("fleet", "action", "field", "DevicePing", "--no-wait")

    assert "request wait" in found.err
    assert found.code == 0


def test_results_are_listed(iot: Iot, cloud: HttpCloud) -> None:
    """The results of a request, narrowed by state."""
    found = iot("request", "result", "list", "x", "--state", "succeeded", "-f", "json")

    assert found.json[0]["state"] == "succeeded"
    assert cloud.last.query["state"] == "succeeded"
