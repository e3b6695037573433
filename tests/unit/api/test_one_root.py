"""Pecan with one root: the order of its hooks, and errors on their way through them."""

from __future__ import annotations

from typing import Any

import pecan
import pytest
import webob
from pecan.core import ExplicitPecan
from pecan.hooks import PecanHook

from iotronic_mec.api.one_root import OneRoot


class Noting(PecanHook):  # type: ignore[misc]
    """Writes down when it is called."""

    def __init__(self, name: str, place: int, noted: list[str]) -> None:
        self.priority = place
        self._name = name
        self._noted = noted

    def on_route(self, state: Any) -> None:
        """Note it."""
        self._noted.append(f"on_route {self._name}")

    def before(self, state: Any) -> None:
        """Note it."""
        self._noted.append(f"before {self._name}")

    def after(self, state: Any) -> None:
        """Note it."""
        self._noted.append(f"after {self._name}")


class Telling(PecanHook):  # type: ignore[misc]
    """Makes an answer of an error."""

    priority = 9

    def on_error(self, state: Any, error: Exception) -> Any:
        """Answer with its words."""
        return webob.Response(f"{type(error).__name__}: {error}", status=418)


class Root:
    """Says back what was asked, the way both kinds of Pecan can use."""

    def _route(self, segments: list[str], request: Any) -> tuple[Any, list[str]]:
        if segments[0] == "nowhere":
            raise LookupError("no such place")
        return self.handle, []

    def handle(self, request: Any, response: Any) -> Any:
        """Answer, or break."""
        if request.path_info == "/break":
            raise RuntimeError("broken")
        response.text = f"{request.method} {request.path_info}"
        return response


class Exposed(Root):
    """The same root for stock Pecan."""

    @pecan.expose()  # type: ignore[untyped-decorator]
    def _route(self, segments: list[str], request: Any) -> tuple[Any, list[str]]:
        return super()._route(segments, request)

    @pecan.expose()  # type: ignore[untyped-decorator]
    def handle(self, request: Any, response: Any) -> Any:
        """Answer, or break."""
        return super().handle(request, response)


def hooks(noted: list[str]) -> tuple[Any, ...]:
    """Return two that note and one that answers errors."""
    return Noting("a", 0, noted), Noting("b", 1, noted), Telling()


@pytest.mark.parametrize("path", ["/", "/some/where", "/some//where/", "/nowhere", "/break"])
def test_it_answers_as_stock_pecan(path: str) -> None:
    """Answers, hooks and their order are those of Pecan's own search."""
    ours: list[str] = []
    stock: list[str] = []
    lean = OneRoot(Root(), hooks=hooks(ours), request_cls=webob.Request)
    usual = ExplicitPecan(
        Exposed(),
        hooks=lambda: hooks(stock),
        force_canonical=False,
        guess_content_type_from_ext=False,
    )

    answered = webob.Request.blank(path).get_response(lean)
    expected = webob.Request.blank(path).get_response(usual)

    assert (answered.status_int, answered.text) == (expected.status_int, expected.text)
    assert ours == stock
    assert ours[:2] == ["on_route a", "on_route b"]
    assert ours[-2:] == ["after b", "after a"]


def test_an_error_nobody_answers_is_raised() -> None:
    """Without a hook for it, an error leaves the application, after the hooks."""
    noted: list[str] = []
    lean = OneRoot(Root(), hooks=hooks(noted)[:2], request_cls=webob.Request)

    with pytest.raises(RuntimeError, match="broken"):
        webob.Request.blank("/break").get_response(lean)

    assert noted[-2:] == ["after b", "after a"]
