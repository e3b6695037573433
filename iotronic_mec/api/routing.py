"""From an address to its route: one table, walked by segments.

Pecan hands every request to the one ``_route`` of the root, which asks
:class:`Table`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iotronic_mec import ids
from iotronic_mec.api.problem import MethodNotAllowed, RouteNotFound
from iotronic_mec.errors import BadRequest
from iotronic_mec.feature import Route

VERSION = "v1"

UPSTREAM = frozenset(
    {
        "boards",
        "plugins",
        "services",
        "fleets",
        "ports",
        "webservices",
        "enabledwebservices",
        "requests",
        "results",
    }
)
"""First segments taken as if ``v1`` stood before them.
Source: spec/iotronic-api.md section 1, base."""


@dataclass(frozen=True, slots=True)
class Match:
    """A route, the values of its path's parameters, and its path filled in."""

    route: Route
    path: Mapping[str, str]
    address: str


class _Node:
    """One place in the tree of segments."""

    __slots__ = ("any", "literals", "methods")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.any: _Node | None = None
        self.methods: dict[str, tuple[Route, tuple[str, ...]]] = {}


class Table:
    """All routes; built once, read by any thread.

    :raises ValueError: two routes have the same method and path
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        self.routes: tuple[Route, ...] = tuple(routes)
        for route in self.routes:
            self._add(route)

    def find(self, segments: Sequence[str], method: str) -> Match:
        """Return the route of an address; HEAD is taken for GET.

        :raises RouteNotFound: nothing is there
        :raises MethodNotAllowed: something is there, for other methods
        :raises BadRequest: a parameter is neither a uuid nor a name
        """
        parts = _trimmed(segments)
        values: list[str] = []
        node = self._walk(parts, values)
        if node is None or not node.methods:
            raise RouteNotFound(f"there is nothing at /{'/'.join(parts)[:200]}")
        found = node.methods.get("GET" if method == "HEAD" else method)
        if found is None:
            allow = allowed(node.methods)
            raise MethodNotAllowed(
                f"{method[:20]} is not possible here; {', '.join(allow)} are",
                details={"allow": list(allow)},
            )
        route, names = found
        path = {name: _checked(name, value) for name, value in zip(names, values, strict=True)}
        return Match(route, path, "/" + "/".join(parts))

    def _add(self, route: Route) -> None:
        node = self._root
        names: list[str] = []
        for segment in _trimmed(route.path.split("/")[1:]):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.any = node.any or _Node()
                node = node.any
            else:
                node = node.literals.setdefault(segment, _Node())
        if route.method in node.methods:
            raise ValueError(f"two routes for {route.method} {route.path}")
        node.methods[route.method] = (route, tuple(names))

    def _walk(self, parts: Sequence[str], values: list[str]) -> _Node | None:
        node: _Node | None = self._root
        if parts and parts[0] in UPSTREAM:
            node = self._root.literals.get(VERSION)
        for part in parts:
            if node is None:
                return None
            following = node.literals.get(part)
            if following is None:
                following = node.any
                values.append(part)
            node = following
        return node


def allowed(methods: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the methods for the header ``Allow``."""
    names = set(methods)
    if "GET" in names:
        names.add("HEAD")
    return tuple(sorted(names))


def is_versioned(segments: Sequence[str]) -> bool:
    """Say whether an address lies under ``/v1``, spelled out or not."""
    return bool(segments) and (segments[0] == VERSION or segments[0] in UPSTREAM)


def _trimmed(segments: Sequence[str]) -> Sequence[str]:
    """Drop the empty segments behind a trailing slash."""
    end = len(segments)
    while end and not segments[end - 1]:
        end -= 1
    return segments[:end]


def _checked(name: str, value: str) -> str:
    if ids.is_uuid(value):
        return ids.normal_uuid(value)
    if not ids.NAME.fullmatch(value):
        raise BadRequest(
            f"{name}: a uuid or a name of letters, digits, '-', '.', '_' and '~' is expected",
            details={"field": name, "in": "path"},
        )
    return value
