"""The commands on services, run against a fake cloud."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

from iotronic_mec.cli.arguments import port
from tests.fakes.http_cloud import HttpCloud
from tests.unit.cli.conftest import Iot


def test_force_is_sent(iot: Iot, cloud: HttpCloud) -> None:
    """Only with --force the cloud is asked to withdraw it first."""
    iot("service", "create", "web", "80")

    found = iot("service", "delete", "--force", "web")

    assert found.code == 0, found.err
    assert cloud.last.query == {"force": "true"}


def test_a_service_is_made_changed_and_deleted(iot: Iot, cloud: HttpCloud) -> None:
    """Create, list, show, set and delete send what they say."""
    made = iot("service", "create", "dns", "53", "--protocol", "ANY", "-f", "json").json
    sent = cloud.last.body
    listed = iot("service", "list", "-f", "json").json
    changed = iot("service", "set", "dns", "--port", "5353", "--public", "-f", "json").json
    shown = iot("service", "show", "dns", "-f", "json").json
    gone = iot("service", "delete", "dns")

    assert sent == {"name": "dns", "port": 53, "protocol": "ANY", "public": False, "extra": {}}
    assert made["port"] == 53
    assert {row["name"] for row in listed} == {"dns", "ssh"}
    assert (changed["port"], shown["public"], gone.code) == (5353, True, 0)


def test_a_service_is_exposed_and_taken_back(iot: Iot, cloud: HttpCloud) -> None:
    """Enable, list on a board, status, restore and disable."""
    enabled = iot("service", "enable", "kitchen", "ssh", "-f", "value")
    listed = iot("board", "service", "list", "kitchen", "-f", "json").json
    status = iot("service", "status", "kitchen", "-f", "value")
    one = iot("service", "restore", "kitchen", "ssh")
    action = cloud.last.body
    every = iot("service", "restore", "kitchen")
    disabled = iot("service", "disable", "kitchen", "ssh")
    again = iot("service", "disable", "kitchen", "ssh")

    assert "ServiceEnable done" in enabled.out
    assert [(row["name"], row["public_port"]) for row in listed] == [("ssh", 50_001)]
    assert "1 service(s)" in status.out
    assert action == {"action": "ServiceRestore"}
    assert (one.code, every.code, disabled.code, again.code) == (0, 0, 0, 1)
    assert "is not exposed" in again.err


@pytest.mark.parametrize("text", ["65536", "0", "ssh", "-1", "²"])
def test_only_ports_are_ports(text: str) -> None:
    """What is no port is a mistake of usage, before anything is sent."""
    with pytest.raises(ArgumentTypeError, match="port from 1 to 65535"):
        port(text)
