"""OpenAPI 3.1, made from every feature's routes and schemas.

Nothing is written by hand; :mod:`iotronic_mec.api.gaps` finds what a route lacks.
Source: OpenAPI Specification 3.1.0.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from iotronic_mec import __version__
from iotronic_mec.api import versions
from iotronic_mec.api.idempotency import HEADER as IDEMPOTENCY
from iotronic_mec.api.idempotency import MAX_KEY
from iotronic_mec.api.problem import Problem
from iotronic_mec.feature import PUBLIC, Route

REF = "#/components/schemas/{model}"

UPLOAD = "bundle"
"""Field of the file in a multipart body."""

_LONG = re.compile(r"iotronic_mec__(?:features__)?(\w+?)__(?:schema|fields)__(\w+)")

_PARAMETER = re.compile(r"\{(\w+)\}")

MEANINGS = {
    200: "Done.",
    201: "Made; Location says where.",
    202: "Accepted; Location says where it can be followed.",
    204: "Done; nothing to say.",
    302: "Elsewhere, for browsers.",
    400: "The request is not valid; `details` name the field and the rule.",
    401: "Valid credentials are required.",
    403: "The policy does not allow this.",
    404: "There is no such thing, or it is another project's.",
    406: "This version of the API is not served.",
    409: "It conflicts with the present state.",
    413: "The body is too large.",
    414: "The address is too long.",
    415: "A body of this type is not taken here.",
    422: "This Idempotency-Key was used with another body.",
    429: "Too many requests, or wrong passwords or tokens; Retry-After says when to come back.",
    431: "A header is too long.",
    500: "An error of the server; the logs hold more under the request id.",
    502: "A system outside the cloud refused; `details` and the message say which.",
    503: "A part of the cloud is busy or away; try again later.",
    504: "It took too long.",
}


def document(features: Iterable[tuple[str, Iterable[Route]]]) -> dict[str, Any]:
    """Return the OpenAPI document.

    :param features: name and routes of each, in the order of their tags
    """
    listed = [(name, tuple(routes)) for name, routes in features]
    every = [route for _, routes in listed for route in routes]
    schemas = _Schemas(every)
    paths: dict[str, dict[str, Any]] = {}
    identifiers = _identifiers(listed)
    for name, routes in listed:
        for route in routes:
            operation = _operation(name, identifiers[id(route)], route, schemas)
            paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "iotronic_mec",
            "version": versions.text(versions.MAXIMUM),
            "summary": "Boards, plugins and edge computing.",
            "description": (
                f"The cloud's REST API, served by iotronic-mec {__version__}. A path's first "
                "`/v1` may be left out for IoTronic's own nouns; a slash at the end is "
                "tolerated. Who logs in with a password acts in the own project, or in the one "
                "the header `X-IoT-Project` names; a token is for one project."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name, routes in listed if routes],
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            "securitySchemes": _SECURITY,
            "headers": _HEADERS,
            "parameters": _PARAMETERS,
        },
    }


class _Schemas:
    """The components of all models, and how each is referred to."""

    def __init__(self, routes: Iterable[Route]) -> None:
        taken: dict[tuple[type[BaseModel], Any], None] = {(Problem, "serialization"): None}
        for route in routes:
            for model in (route.body, route.query):
                if model is not None:
                    taken[model, "validation"] = None
            for answer in (route.answer, *route.other_answers.values()):
                if answer is not None:
                    taken[answer, "serialization"] = None
        refs, made = models_json_schema(list(taken), ref_template=REF)
        short = _short_names(made.get("$defs", {}))
        self._refs = _renamed(refs, short)
        # generators call a model by its title: two of one title are one too many
        self.definitions: dict[str, Any] = {
            short[name]: _renamed(schema, short) | {"title": short[name]}
            for name, schema in made.get("$defs", {}).items()
        }
        queries = {route.query for route in routes if route.query is not None}
        self.queries = {model: self.definition(model, "validation") for model in queries}
        for model in queries:
            # they show as parameters and need not stand among the bodies
            self.definitions.pop(self._name(model, "validation"), None)

    def ref(self, model: type[BaseModel], mode: Any) -> dict[str, Any]:
        """Return the reference to a model."""
        return dict(self._refs[model, mode])

    def definition(self, model: type[BaseModel], mode: Any) -> dict[str, Any]:
        """Return the model's schema itself."""
        return dict(self.definitions[self._name(model, mode)])

    def _name(self, model: type[BaseModel], mode: Any) -> str:
        return str(self._refs[model, mode]["$ref"]).rpartition("/")[2]


def _short_names(names: Iterable[str]) -> dict[str, str]:
    """Return a name for each schema, with the feature in front where two share one."""
    found = {}
    for name in names:
        feature = _LONG.fullmatch(name)
        found[name] = name
        if feature is not None:
            found[name] = feature[1].title().replace("_", "") + feature[2]
    return found


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """Return a schema with its references renamed."""
    if isinstance(value, dict):
        return {
            key: REF.format(model=names[inner.rpartition("/")[2]])
            if key == "$ref"
            else _renamed(inner, names)
            for key, inner in value.items()
        }
    return [_renamed(inner, names) for inner in value] if isinstance(value, list) else value


def _operation(tag: str, identifier: str, route: Route, schemas: _Schemas) -> dict[str, Any]:
    summary, _, more = route.summary.partition("\n")
    operation: dict[str, Any] = {
        "operationId": identifier,
        "summary": summary.strip(),
        "tags": [tag],
        "parameters": _parameters(route, schemas),
        "responses": _responses(route, schemas),
        "security": [] if route.policy == PUBLIC else [{name: []} for name in _SECURITY],
    }
    if more.strip():
        operation["description"] = more.strip()
    if route.policy != PUBLIC:
        operation["x-policy"] = route.policy
    content = _content(route, schemas)
    if content:
        required = route.body is not None and bool(
            schemas.definition(route.body, "validation").get("required")
        )
        operation["requestBody"] = {"content": content, "required": required}
    return operation


def _parameters(route: Route, schemas: _Schemas) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": f"uuid or name of the {name.replace('_', ' ')}",
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9._~-]{1,255}$"},
        }
        for name in _PARAMETER.findall(route.path)
    ]
    if route.query is not None:
        schema = schemas.queries[route.query]
        required = schema.get("required", ())
        for name, inner in schema.get("properties", {}).items():
            parameter = {"name": name, "in": "query", "schema": _without_null(inner)}
            if "description" in inner:
                parameter["description"] = inner["description"]
            if name in required:
                parameter["required"] = True
            found.append(parameter)
    if route.path.startswith("/v1"):
        found.append({"$ref": "#/components/parameters/version"})
    if route.method == "POST":
        found.append({"$ref": "#/components/parameters/idempotency"})
    return found


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query cannot say null: leave the other forms."""
    kept = {name: value for name, value in schema.items() if name not in ("title", "description")}
    if kept.get("default", "") is None:
        del kept["default"]
    forms = [form for form in kept.pop("anyOf", ()) if form.get("type") != "null"]
    if len(forms) == 1:
        return {**forms[0], **kept}
    return {"anyOf": forms, **kept} if forms else kept


def _content(route: Route, schemas: _Schemas) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if route.body is not None:
        content["application/json"] = {"schema": schemas.ref(route.body, "validation")}
    if route.multipart:
        properties: dict[str, Any] = {}
        required = [UPLOAD]
        if route.body is not None:
            schema = schemas.definition(route.body, "validation")
            properties = {name: {"type": "string"} for name in schema.get("properties", {})}
            required += schema.get("required", [])
        properties[UPLOAD] = {"type": "string", "format": "binary"}
        content["multipart/form-data"] = {
            "schema": {
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": False,
            }
        }
    return content


def _responses(route: Route, schemas: _Schemas) -> dict[str, Any]:
    answers = {route.status: route.answer, **route.other_answers}
    responses = {
        str(status): _answer(status, model, route, schemas) for status, model in answers.items()
    }
    error = {"$ref": schemas.ref(Problem, "serialization")["$ref"]}
    for status in statuses(route) - set(answers):
        responses[str(status)] = {
            "description": MEANINGS.get(status, "An error."),
            "headers": _headers(route, status),
            "content": {"application/json": {"schema": error}},
        }
    return dict(sorted(responses.items()))


def statuses(route: Route) -> set[int]:
    """Return the statuses of errors a route may give."""
    found = {400, 414, 431, 500, 503, *route.errors}
    if route.policy != PUBLIC:
        found |= {401, 403, 429}
    if route.path.startswith("/v1"):
        found.add(406)
    if "{" in route.path or (route.query and "marker" in route.query.model_fields):
        found.add(404)
    if route.body is not None or route.multipart:
        found |= {413, 415}
    if route.method == "POST":
        found |= {409, 422}
    if route.method != "GET":
        found.add(504)
    return found


def _answer(
    status: int, model: type[BaseModel] | None, route: Route, schemas: _Schemas
) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": MEANINGS.get(status, "Done."),
        "headers": _headers(route, status),
    }
    if model is not None:
        schema = schemas.ref(model, "serialization")
        answer["content"] = {"application/json": {"schema": schema}}
    elif route.media_type != "application/json" and status == route.status:
        answer["content"] = {route.media_type: {}}
    return answer


def _headers(route: Route, status: int) -> dict[str, Any]:
    names = ["Openstack-Request-Id"]
    if route.path.startswith("/v1"):
        names += [name for name, _ in versions.RANGE]
        if status != 406:
            names.append(versions.HEADER)
    if status in (201, 202, 302):
        names.append("Location")
    if status == 401:
        names.append("WWW-Authenticate")
    if status in (429, 503):
        names.append("Retry-After")
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _identifiers(features: Iterable[tuple[str, Iterable[Route]]]) -> dict[int, str]:
    """Give each route a name: feature and handler, with the path where that is not enough."""
    short = {
        id(route): f"{name}_{getattr(route.handler, '__name__', 'handle').strip('<>')}"
        for name, routes in features
        for route in routes
    }
    count = Counter(short.values())
    found = {}
    for _, routes in features:
        for route in routes:
            name = short[id(route)]
            if count[name] > 1:
                name = f"{name}_{route.method.lower()}{re.sub(r'[^A-Za-z0-9]+', '_', route.path)}"
            found[id(route)] = name.rstrip("_")
    return found


_SECURITY = {
    "basic": {"type": "http", "scheme": "basic", "description": "User name and password."},
    "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
    "bearer": {"type": "http", "scheme": "bearer", "description": "The same tokens."},
}

_TEXT = {"type": "string"}

_HEADERS = {
    "Openstack-Request-Id": {
        "description": "The request's id, to find it in the logs and the audit.",
        "schema": {"type": "string", "pattern": "^req-[0-9a-f-]{36}$"},
    },
    **{
        name: {"description": "A bound of the versions.", "schema": _TEXT}
        for name, _ in versions.RANGE
    },
    versions.HEADER: {"description": "The version this was served with.", "schema": _TEXT},
    "Location": {"description": "Where the thing is.", "schema": {**_TEXT, "format": "uri"}},
    "Retry-After": {
        "description": "Seconds until it makes sense to try again.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    "WWW-Authenticate": {"description": "How to authenticate.", "schema": _TEXT},
}

_PARAMETERS = {
    "version": {
        "name": versions.HEADER,
        "in": "header",
        "description": (
            f"`{versions.text(versions.MINIMUM)}` to `{versions.text(versions.MAXIMUM)}`, or "
            "`latest`; absent means the lowest."
        ),
        "schema": {"type": "string", "enum": ["1.0", "1.9", "1.10", "latest"]},
    },
    "idempotency": {
        "name": IDEMPOTENCY,
        "in": "header",
        "description": (
            "Makes a repetition safe: the same key gives the same answer for 24 hours."
        ),
        "schema": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_KEY,
            "pattern": "^[!-~]+$",
        },
    },
}
