"""The commands that give orders on a plugin to a fleet, against a fake cloud."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.http_cloud import HttpCloud
from tests.unit.cli.conftest import Iot

ON = "/v1/fleets/field/plugins"


@pytest.mark.parametrize(
    ("words", "sent", "body"),
    [
        ("inject --onboot", ("PUT", ON), {"plugin": "digits", "onboot": True}),
        (
            "call --param n=1",
            ("POST", f"{ON}/digits"),
            {"action": "PluginCall", "parameters": {"n": 1}},
        ),
        (
            'start --params {"n":2}',
            ("POST", f"{ON}/digits"),
            {"action": "PluginStart", "parameters": {"n": 2}},
        ),
        (
            "stop --delay 5",
            ("POST", f"{ON}/digits"),
            {"action": "PluginStop", "parameters": {"delay": 5.0}},
        ),
        ("reboot", ("POST", f"{ON}/digits"), {"action": "PluginReboot", "parameters": {}}),
        ("status", ("POST", f"{ON}/digits"), {"action": "PluginStatus", "parameters": {}}),
        ("remove", ("DELETE", f"{ON}/digits"), None),
    ],
)
def test_orders(
    iot: Iot, cloud: HttpCloud, words: str, sent: tuple[str, str], body: dict[str, Any] | None
) -> None:
    """Each command sends one order, waits for all boards and lists each one's result."""
    cloud.total = 3
    verb, *options = words.split()

    found = iot("fleet", "plugin", verb, "field", "digits", *options, "-f", "json")

    assert found.code == 0, found.err
    assert [row["state"] for row in found.json] == ["succeeded"] * 3
    [order] = [call for call in cloud.calls if "/plugins" in call.path]
    assert ((order.method, order.path), order.body or None) == (sent, body)


def test_one_board_that_fails(iot: Iot, cloud: HttpCloud) -> None:
    """Programs see it by the exit code; without waiting the request is told."""
    cloud.total, cloud.states = 2, ["failed"]

    failed = iot("fleet", "plugin", "status", "field", "digits")
    told = iot("fleet", "plugin", "status", "field", "digits", "--no-wait")

    assert (failed.code, told.code) == (1, 0)
    assert "request wait" in told.err


def test_what_is_not_there(iot: Iot) -> None:
    """Another fleet or plugin is told as such."""
    fleet = iot("fleet", "plugin", "status", "nowhere", "digits")
    plugin = iot("fleet", "plugin", "status", "field", "nothing")

    assert (fleet.code, plugin.code) == (1, 1)
    assert "fleet nowhere could not be found" in fleet.err
    assert "plugin nothing could not be found" in plugin.err
