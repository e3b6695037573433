"""The OpenAPI document, the page made of it, and whether answers keep to it."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest

from iotronic_mec.api.app import table
from iotronic_mec.feature import PUBLIC
from iotronic_mec.registry import FEATURES
from tests.fakes.site import Site


@pytest.fixture
def document(shared_site: Site) -> dict[str, Any]:
    """Give the document as clients get it."""
    return dict(shared_site.ask("GET", "/v1/openapi.json", token=None).json)


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return method, path and operation of each."""
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_route_is_documented(document: dict[str, Any]) -> None:
    """There is an operation for each route, and no other."""
    told = {(method.upper(), path) for method, path, _ in operations(document)}

    assert told == {(route.method, route.path) for route in table(FEATURES).routes}


def test_names_of_operations(document: dict[str, Any]) -> None:
    """Each operation has a name of its own, fit for a function."""
    names = [operation["operationId"] for _, _, operation in operations(document)]

    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(r"[a-z][A-Za-z0-9_]+", name)] == []


def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    """Every ``$ref`` of the document names something in it."""
    broken = []
    for ref in set(re.findall(r"'\$ref': '#/([^']+)'", repr(document))):
        place: Any = document
        for part in ref.split("/"):
            place = place.get(part) if isinstance(place, dict) else None
        if place is None:
            broken.append(ref)

    assert broken == []


def test_schemas_are_schemas(document: dict[str, Any]) -> None:
    """All schemas are valid JSON Schema 2020-12."""
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_names_of_schemas(document: dict[str, Any]) -> None:
    """No two models share a name, which would show as one with a module in it."""
    assert [name for name in document["components"]["schemas"] if "__" in name] == []


def test_who_may_call(document: dict[str, Any]) -> None:
    """Guarded operations name three ways to authenticate, and 401 and 403."""
    guarded = {
        (route.method, route.path) for route in table(FEATURES).routes if route.policy != PUBLIC
    }
    for method, path, operation in operations(document):
        is_guarded = (method.upper(), path) in guarded
        assert bool(operation["security"]) is is_guarded
        assert ({"401", "403"} <= set(operation["responses"])) is is_guarded


@pytest.mark.parametrize(
    "path",
    [
        "/v1/boards",
        "/v1/boards/detail",
        "/v1/plugins",
        "/v1/plugins/detail",
        "/v1/requests",
        "/v1/audit",
        "/v1/audit/head",
        "/v1/users",
        "/v1/projects",
        "/v1/tokens",
        "/v1/whoami",
        "/v1",
        "/",
        "/healthcheck",
        "/healthcheck/parts",
    ],
)
def test_answers_keep_to_their_schema(
    shared_site: Site, document: dict[str, Any], path: str
) -> None:
    """What is answered is what the document says."""
    shared_site.ask("POST", "/v1/boards", {"name": "lamp"})  # once, then a conflict
    answer = shared_site.ask("GET", path)

    schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    whole = {**schema["schema"], "components": document["components"]}
    jsonschema.validate(answer.json, whole)


def test_docs_page(shared_site: Site) -> None:
    """The page shows every operation and loads nothing from elsewhere."""
    page = shared_site.ask("GET", "/docs", token=None, headers={"Accept": "text/html"})

    assert page.status_int == 200
    assert page.content_type == "text/html"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.text.count("<article") == len(table(FEATURES).routes)
    assert re.findall(r'(?:src|href)="(?:https?:)?//', page.text) == []
    assert "style=" not in page.text
    assert "<script>" not in page.text


@pytest.mark.parametrize("name", ["docs.css", "docs.js"])
def test_assets(shared_site: Site, name: str) -> None:
    """Style and script are served from the package, as what they are."""
    asset = shared_site.ask("GET", f"/docs/{name}", token=None)

    assert asset.status_int == 200
    assert asset.content_type in ("text/css", "text/javascript")
    assert asset.headers["X-Content-Type-Options"] == "nosniff"
    assert "http" not in asset.text


def test_no_other_file_is_served(shared_site: Site) -> None:
    """Only the named assets are there."""
    assert shared_site.ask("GET", "/docs/..%2Fapp.py", token=None).status_int == 404
    assert shared_site.ask("GET", "/docs/app.py", token=None).status_int == 404
