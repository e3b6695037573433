"""One shape for all errors, whatever they come from."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from webob import Request

from tests.fakes.site import BASE_URL, Site, fault

CASES = [
    ("GET", "/v1/boards", None, None, 401, "iot.identity.unauthenticated"),
    ("GET", "/v1/users", None, "member", 403, "iot.policy.forbidden"),
    ("GET", "/v1/boards/nothing", None, "member", 404, "iot.board.not_found"),
    ("GET", "/v1/nothing", None, "member", 404, "iot.route.not_found"),
    ("GET", "/nothing/at/all", None, None, 404, "iot.route.not_found"),
    ("PUT", "/v1/boards", None, "member", 405, "iot.route.method_not_allowed"),
    ("POST", "/v1/boards", {}, "member", 400, "iot.request.invalid"),
    ("GET", "/v1/boards?unknown=1", None, "member", 400, "iot.request.invalid"),
    ("GET", "/v1/boards/a%20b", None, "member", 400, "iot.request.invalid"),
    ("GET", "/v1/boards?limit=0", None, "member", 400, "iot.request.invalid"),
    ("GET", "/v1/boards?marker=x", None, "member", 400, "iot.request.invalid"),
    ("GET", "/v1/boards?sort_key=extra", None, "member", 400, "iot.request.invalid"),
    ("GET", "/v1/boards?sort_dir=up", None, "member", 400, "iot.request.invalid"),
    ("GET", "/v1/boards?limit=1&limit=2", None, "member", 400, "iot.request.invalid"),
]


@pytest.mark.parametrize(("method", "path", "sends", "token", "status", "code"), CASES)
def test_shape(
    shared_site: Site,
    method: str,
    path: str,
    sends: Any,
    token: str | None,
    status: int,
    code: str,
) -> None:
    """Status, stable code, and upstream's JSON text inside JSON."""
    answer = shared_site.ask(method, path, sends, token=token)

    inner = json.loads(answer.json["error_message"])
    assert answer.status_int == status
    assert answer.json["code"] == code
    assert set(answer.json) == {"error_message", "code", "details", "request_id"}
    assert set(inner) == {"faultcode", "faultstring", "debuginfo"}
    assert inner["faultcode"] == "Client"
    assert inner["debuginfo"] is None
    assert answer.headers["Openstack-Request-Id"] == answer.json["request_id"]


def test_field_and_rule_are_named(shared_site: Site) -> None:
    """A wrong body is told by field and rule, all of them at once."""
    answer = shared_site.ask("POST", "/v1/projects", {"name": "a b", "colour": "red"})

    details = answer.json["details"]
    assert fault(answer).startswith("name: ")
    assert details["field"] == "name"
    assert {each["field"] for each in details["errors"]} == {"name", "colour"}


def test_allow(shared_site: Site) -> None:
    """A 405 says what is possible."""
    answer = shared_site.ask("PUT", "/v1/boards")

    assert answer.headers["Allow"] == "GET, HEAD, POST"
    assert answer.json["details"] == {"allow": ["GET", "HEAD", "POST"]}


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"name": NaN}', "application/json", 400),
        (b"name=x", "application/x-www-form-urlencoded", 415),
        (b"<x/>", "text/xml", 415),
        (b"--x", "multipart/form-data; boundary=x", 415),
    ],
)
def test_bodies_that_are_no_json(
    shared_site: Site, body: bytes, media_type: str, status: int
) -> None:
    """What is no JSON object is refused, by 400 or 415."""
    answer = shared_site.ask("POST", "/v1/projects", body=body, content_type=media_type)

    assert answer.status_int == status


def test_too_long_body(shared_site: Site) -> None:
    """A body over the limit is refused before it is read."""
    answer = shared_site.ask("POST", "/v1/projects", headers={"Content-Length": "9999999"})

    assert answer.status_int == 413


def test_cut_body(shared_site: Site) -> None:
    """A body shorter than it says is a 400."""
    answer = shared_site.ask("POST", "/v1/projects", body=b"{}", headers={"Content-Length": "20"})

    assert answer.status_int == 400


def test_body_of_a_delete_is_ignored(shared_site: Site) -> None:
    """Upstream's client sends DELETE as ``application/octet-stream``."""
    shared_site.ask("POST", "/v1/projects", {"name": "lab"})

    answer = shared_site.ask("DELETE", "/v1/projects/lab", content_type="application/octet-stream")

    assert answer.status_int == 204
    assert answer.body == b""
    assert "Content-Type" not in answer.headers


@pytest.mark.parametrize("path", ["/v1/projects/", "/v1/projects//", "/projects"])
def test_slashes_and_nouns(shared_site: Site, path: str) -> None:
    """A slash at the end is tolerated without redirect; only IoTronic's nouns go without v1."""
    assert shared_site.ask("GET", path).status_int == (404 if path == "/projects" else 200)
    assert shared_site.ask("GET", "/boards/").status_int == 200


def test_head(shared_site: Site) -> None:
    """HEAD is answered as GET, without a body."""
    answer = shared_site.ask("HEAD", "/v1/projects")

    assert answer.status_int == 200
    assert answer.body == b""
    assert int(answer.headers["Content-Length"]) > 0


def test_an_unforeseen_error_tells_nothing(
    shared_site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug is a generic 500; the log has the rest under the request id."""

    def broken(*_arguments: Any, **_more: Any) -> None:
        raise RuntimeError("SELECT secret FROM somewhere")

    broken.__rpc_exposed__ = True  # type: ignore[attr-defined]
    monkeypatch.setattr(shared_site.dispatcher._endpoints["project"], "delete", broken)
    with caplog.at_level(logging.ERROR):
        answer = shared_site.ask("DELETE", "/v1/projects/elsewhere")

    assert answer.status_int == 500
    assert answer.json["code"] == "iot.internal"
    assert "secret" not in answer.text
    assert json.loads(answer.json["error_message"])["faultcode"] == "Server"
    assert answer.json["request_id"] in caplog.text
    assert "SELECT secret" in caplog.text


@pytest.mark.parametrize("path", [b"/v1/boards/%ff", b"/v1/%00", b"/v1/boards/%E2%82%28"])
def test_odd_addresses(shared_site: Site, path: bytes) -> None:
    """Bytes that are no UTF-8, and zeros, are a client's error."""
    request = Request.blank(path.decode(), base_url=BASE_URL)
    request.headers["X-Auth-Token"] = shared_site.people["member"]

    assert request.get_response(shared_site.application).status_int in (400, 404)
