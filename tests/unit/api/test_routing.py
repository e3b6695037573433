"""The table of routes."""

from __future__ import annotations

from typing import Any

import pytest

from iotronic_mec.api.problem import MethodNotAllowed, RouteNotFound
from iotronic_mec.api.routing import Table, is_versioned
from iotronic_mec.errors import BadRequest
from iotronic_mec.feature import Route


def handle(call: Any) -> None:
    """Do nothing."""


def route(method: str, path: str) -> Route:
    """Return a route."""
    return Route(method=method, path=path, handler=handle, policy="p", summary="s")


TABLE = Table(
    [
        route("GET", "/"),
        route("GET", "/v1"),
        route("GET", "/v1/boards"),
        route("POST", "/v1/boards"),
        route("GET", "/v1/boards/detail"),
        route("GET", "/v1/boards/{board}"),
        route("GET", "/v1/boards/{board}/plugins/{plugin}"),
        route("GET", "/v1/users"),
    ]
)
UUID = "0b1c2d3e-4f50-4a6b-8c7d-8e9fa0b1c2d3"


def find(path: str, method: str = "GET") -> tuple[str, dict[str, str]]:
    """Return the path of the route found, and its parameters."""
    match = TABLE.find(path.split("/")[1:], method)
    return match.route.path, dict(match.path)


@pytest.mark.parametrize(
    ("path", "found", "parameters"),
    [
        ("/", "/", {}),
        ("/v1/", "/v1", {}),
        ("/v1/boards", "/v1/boards", {}),
        ("/v1/boards//", "/v1/boards", {}),
        ("/boards", "/v1/boards", {}),
        ("/v1/boards/detail", "/v1/boards/detail", {}),
        ("/v1/boards/lamp", "/v1/boards/{board}", {"board": "lamp"}),
        ("/boards/lamp/", "/v1/boards/{board}", {"board": "lamp"}),
        (
            "/v1/boards/lamp/plugins/cam",
            "/v1/boards/{board}/plugins/{plugin}",
            {"board": "lamp", "plugin": "cam"},
        ),
    ],
)
def test_found(path: str, found: str, parameters: dict[str, str]) -> None:
    """Literal segments win over parameters; a slash at the end and v1 are optional."""
    assert find(path) == (found, parameters)


@pytest.mark.parametrize(
    "path",
    ["/v2/boards", "/users", "/v1/boards/a/plugins", "/v1//boards", "/v1/boards/a/b", "/v1/v1"],
)
def test_not_found(path: str) -> None:
    """What is in no route is not found; only IoTronic's nouns go without v1."""
    with pytest.raises(RouteNotFound):
        find(path)


def test_uuids_become_normal() -> None:
    """A uuid in a path is given in lower case with dashes."""
    assert find(f"/v1/boards/{UUID.upper()}")[1] == {"board": UUID}
    assert find(f"/v1/boards/{UUID.replace('-', '')}")[1] == {"board": UUID}


@pytest.mark.parametrize("name", ["a b", "a'b", "é", "x" * 256, "a\0"])
def test_parameters_that_are_no_names(name: str) -> None:
    """A parameter is a uuid or a name before a handler sees it."""
    with pytest.raises(BadRequest):
        find(f"/v1/boards/{name}")


def test_head_is_get() -> None:
    """HEAD finds the route of GET."""
    assert find("/v1/boards", "HEAD")[0] == "/v1/boards"


def test_other_methods() -> None:
    """A method that no route has is told with those there are."""
    with pytest.raises(MethodNotAllowed) as caught:
        find("/v1/boards", "DELETE")

    assert caught.value.allow == ("GET", "HEAD", "POST")


def test_two_routes_of_one_address() -> None:
    """The same method and path twice is a mistake that is found at the start."""
    with pytest.raises(ValueError, match="two routes"):
        Table([route("GET", "/v1/a/{b}"), route("GET", "/v1/a/{c}")])


@pytest.mark.parametrize(
    ("path", "versioned"),
    [("/v1", True), ("/v1/x", True), ("/boards", True), ("/", False), ("/docs", False)],
)
def test_versioned(path: str, versioned: bool) -> None:
    """The version headers belong on what lies under v1, spelled out or not."""
    assert is_versioned(path.split("/")[1:]) is versioned
