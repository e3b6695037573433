"""The request's id from HTTP to the board, the access log, and no secrets in either."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Iterator

import pytest

from iotronic_mec.cmd.logs import ACCESS
from lightning_agent.protocol.log_lines import JsonLines
from tests.fakes.parts import AGENT
from tests.fakes.site import PASSWORD, Site

ID = "req-11111111-2222-4333-8444-555555555555"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Give everything that is logged, as JSON, with the access log on."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines("core"))
    root, access = logging.getLogger(), logging.getLogger(ACCESS)
    before = root.level, access.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    access.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    root.setLevel(before[0])
    access.setLevel(before[1])


def lines(log: io.StringIO) -> list[dict[str, object]]:
    """Return the lines of requests; those of calls are left out."""
    found = [json.loads(line) for line in log.getvalue().splitlines()]
    return [line for line in found if line["logger"] == ACCESS and "route" in line]


def online(site: Site) -> str:
    """Make a board and have it join; return its uuid."""
    made = site.ask("POST", "/v1/boards", {"name": "kitchen", "type": "device"}, token="member")
    uuid = str(made.json["uuid"])
    site.parts.database.write(
        lambda connection: connection.exec_driver_sql(
            f"UPDATE board SET status = 'online', agent = '{AGENT}' WHERE name = 'kitchen'"
        )
    )
    return uuid


def test_the_clients_id_is_kept(site: Site) -> None:
    """An id in OpenStack's form is the answer's and the audit's."""
    answer = site.ask(
        "POST",
        "/v1/fleets",
        {"name": "attic"},
        token="member",
        headers={"X-Openstack-Request-Id": ID},
    )

    assert answer.status_int == 201
    assert answer.headers["Openstack-Request-Id"] == ID
    found = site.ask("GET", f"/v1/audit?request_id={ID}", token="member").json
    assert [row["action"] for row in found["audit"]] == ["fleet.create"]


@pytest.mark.parametrize(
    "given", ["x", "req-1", ID.upper(), f"{ID}x", f"{ID} x", "req-" + "g" * 36]
)
def test_no_other_id_is_taken(shared_site: Site, given: str) -> None:
    """What is not in that form is replaced."""
    answer = shared_site.ask("GET", "/v1/boards", headers={"X-Openstack-Request-Id": given})

    assert answer.headers["Openstack-Request-Id"] != given
    assert answer.headers["Openstack-Request-Id"].startswith("req-")


def test_the_access_log(shared_site: Site, log: io.StringIO) -> None:
    """A request has a line with its route, not its address, and who asked."""
    answer = shared_site.ask("GET", "/v1/boards/no-such-board?fields=name", token="member")

    (line,) = lines(log)
    assert (line["method"], line["route"], line["status"]) == ("GET", "/v1/boards/{board}", 404)
    assert line["request_id"] == answer.headers["Openstack-Request-Id"]
    assert line["user"]
    assert line["project"]
    assert isinstance(line["duration_ms"], float)
    assert "no-such-board" not in log.getvalue()


def test_no_access_log_unless_wanted(shared_site: Site, log: io.StringIO) -> None:
    """Turned off, no request has a line."""
    logging.getLogger(ACCESS).setLevel(logging.WARNING)

    shared_site.ask("GET", "/v1/boards", token="member")

    assert lines(log) == []


def test_planted_secrets_are_in_no_line(site: Site, log: io.StringIO) -> None:
    """Tokens and passwords of headers, addresses and bodies are not logged at any level."""
    planted = ["iot_" + "p" * 43, "pw-planted-in-basic", "planted-in-the-query", "planted-in-path"]
    basic = base64.b64encode(f"member:{planted[1]}".encode()).decode()
    site.ask("GET", "/v1/boards", token=planted[0])
    site.ask("GET", "/v1/boards", token=None, headers={"Authorization": f"Basic {basic}"})
    site.ask("GET", f"/v1/boards?token={planted[2]}", token="member")
    site.ask("GET", f"/nowhere/{planted[3]}", token="member")
    site.ask("POST", "/v1/users", {"name": "zoe", "password": "planted-in-a-body", "x": 1})
    site.login("member", PASSWORD)

    written = log.getvalue()
    assert len(lines(log)) >= 6
    for secret in [*planted, basic, "planted-in-a-body", PASSWORD, site.people["member"]]:
        assert secret not in written


def test_a_hostile_method_and_path(shared_site: Site, log: io.StringIO) -> None:
    """What a stranger may choose freely does not get into the line."""
    shared_site.ask("BREW", "/pot\n2026 forged", token="member")

    (line,) = lines(log)
    assert (line["method"], line["route"]) == ("other", "none")


@pytest.mark.parametrize("wait", [True, False])
def test_the_board_is_told_the_id(site: Site, wait: bool) -> None:
    """The order that reaches the board carries the id of the HTTP request."""
    uuid = online(site)

    answer = site.ask(
        "POST",
        f"/v1/boards/{uuid}/action",
        {"action": "DeviceEcho", "parameters": {"say": "x"}, "wait": wait},
        token="member",
        headers={"X-Openstack-Request-Id": ID},
    )

    assert answer.status_int in (200, 202), answer.text
    assert site.boards.called.wait(5)
    assert [call.request_id for _, _, call in site.boards.calls] == [ID]
