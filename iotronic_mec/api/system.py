"""Routes of the machinery itself: versions, health, OpenAPI, documentation.

All but the parts' health are for anyone: they tell nothing that is not in the source.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

from pydantic import ConfigDict

from iotronic_mec.api import docs, openapi, versions
from iotronic_mec.api.controller import Answer, Call
from iotronic_mec.api.exchange import to_json
from iotronic_mec.api.fields import Shape
from iotronic_mec.errors import Error
from iotronic_mec.feature import PUBLIC, Feature, Route

NAME = "system"


class Health(Shape):
    """Whether the cloud serves; in standalone with its parts, for those who may see them."""

    status: Literal["ok", "unavailable"]
    parts: dict[str, str] | None = None


class Parts(Shape):
    """The state of each part: ``up``, or a sentence that says why not."""

    parts: dict[str, str]


class OpenAPIDocument(Shape):
    """An OpenAPI 3.1 document."""

    model_config = ConfigDict(extra="allow")

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]


def health(call: Call) -> Answer:
    """Say whether the API can serve, and nothing else: anybody may ask."""
    if find_parts(call)["database"] == "up":
        return Answer(body={"status": "ok"}, headers={"Cache-Control": "no-store"})
    headers = {"Cache-Control": "no-store", "Retry-After": "1"}
    return Answer(status=503, body={"status": "unavailable"}, headers=headers)


def parts(call: Call) -> dict[str, dict[str, str]]:
    """Say how the parts are that the API knows of."""
    return {"parts": find_parts(call)}


def find_parts(call: Call) -> dict[str, str]:
    """Look at the database, which every request needs."""
    try:
        with call.database.read() as connection:
            connection.exec_driver_sql("SELECT 1")
    except Error as error:
        return {"database": error.message}
    return {"database": "up"}


def routes(features: tuple[Feature, ...]) -> tuple[Route, ...]:
    """Return the machinery's routes.

    :param features: what the documents tell about
    """
    nouns = tuple(
        sorted(
            {
                route.path.split("/")[2]
                for feature in features
                for route in feature.routes
                if route.method == "GET" and route.path.count("/") == 2
            }
        )
    )
    made: list[Route] = []

    @lru_cache(maxsize=1)
    def described() -> dict[str, Any]:
        return openapi.document(
            [(NAME, made), *((feature.name, feature.routes) for feature in features)]
        )

    @lru_cache(maxsize=1)
    def encoded() -> bytes:
        return to_json(described())

    @lru_cache(maxsize=1)
    def page() -> bytes:
        return docs.page(described())

    def describe(call: Call) -> Answer:
        del call
        return Answer(body=encoded(), media_type="application/json")

    def collections(call: Call) -> dict[str, Any]:
        return versions.collections(call, nouns)

    def read_docs(call: Call) -> Answer:
        del call
        return Answer(body=page(), media_type=docs.HTML, headers=docs.HEADERS)

    made += (
        _public("/", versions.root, "Tell the versions", versions.RootDocument, (302,)),
        _public("/v1", collections, "Tell the collections", versions.VersionDocument),
        _public("/healthcheck", health, "Say whether the cloud serves", Health, (503,)),
        Route(
            method="GET",
            path="/healthcheck/parts",
            handler=parts,
            policy="iot:health:parts",
            summary="Say how each part is",
            answer=Parts,
        ),
        _public("/v1/openapi.json", describe, "This document", OpenAPIDocument),
        _page("/docs", read_docs, "The documentation of the API", docs.HTML),
        _page("/docs/docs.css", docs.style, "Style of the documentation", docs.CSS),
        _page("/docs/docs.js", docs.script, "Script of the documentation", docs.SCRIPT),
    )
    return tuple(made)


def _public(
    path: str,
    handler: Callable[[Call], Any],
    summary: str,
    answer: type[Shape],
    others: tuple[int, ...] = (),
) -> Route:
    return Route(
        method="GET",
        path=path,
        handler=handler,
        policy=PUBLIC,
        summary=summary,
        answer=answer,
        other_answers=dict.fromkeys(others),
    )


def _page(path: str, handler: Callable[[Call], Any], summary: str, media_type: str) -> Route:
    return Route(
        method="GET",
        path=path,
        handler=handler,
        policy=PUBLIC,
        summary=summary,
        media_type=media_type,
    )
