"""The cloud's routes, options, rules and error codes."""

from __future__ import annotations

import importlib
import pkgutil

import iotronic_mec.features
from iotronic_mec import errors as error_tree
from iotronic_mec.api import problem, system
from iotronic_mec.feature import PUBLIC, Route
from iotronic_mec.registry import FEATURES
from lightning_agent import errors as board_errors
from lightning_agent.protocol import errors as wire_errors
from pages.markdown import code, first_sentence, plain, table


def every_route() -> list[tuple[str, Route]]:
    """Return all routes with the noun each belongs to."""
    listed = [(system.NAME, route) for route in system.routes(FEATURES)]
    return listed + [(feature.name, route) for feature in FEATURES for route in feature.routes]


def rest() -> str:
    """Return the page of the REST API."""
    parts = [
        "# REST API",
        "Bodies, answers and status codes stand in the OpenAPI 3.1 document that a running cloud"
        " serves at `/v1/openapi.json` and renders at `/docs`. This page lists what there is.",
        "Every error answer carries IoTronic's `error_message` and, beside it, the fields `code`"
        " (see [error codes](errors.md)), `message`, `details` and `request_id`.",
    ]
    nouns = dict.fromkeys(noun for noun, _ in every_route())
    for noun in nouns:
        rows = [
            (code(route.method), code(route.path), plain(route.summary), rule(route))
            for owner, route in every_route()
            if owner == noun
        ]
        parts += [f"## {noun}", table(["method", "path", "what", "rule"], rows)]
    return "\n\n".join(parts)


def rule(route: Route) -> str:
    """Return the right a route asks for."""
    return "anyone" if route.policy == PUBLIC else code(route.policy)


def policies() -> str:
    """Return the page of the rules."""
    parts = [
        "# Policies",
        "One rule of oslo.policy guards each route; what no rule allows is refused. A file"
        " `policy.yaml` in the state directory overrides rules; `tox -e genpolicy` writes a"
        " sample.",
    ]
    for feature in FEATURES:
        rows = [
            (
                code(policy.name),
                plain(policy.description),
                code(policy.check),
                ", ".join(f"`{method} {path}`" for method, path in policy.operations),
            )
            for policy in feature.policies
        ]
        if rows:
            parts += [f"## {feature.name}", table(["rule", "allows", "default", "routes"], rows)]
    return "\n\n".join(parts)


def configuration() -> str:
    """Return the page of the options."""
    options = importlib.import_module("iotronic_mec.conf.opts").list_opts()
    parts = [
        "# Configuration",
        "The cloud reads `iotronic.conf` in its state directory; every option has a default, and"
        " no file is needed. `iotronic-mec config show --state-dir DIR` prints the values in"
        " force, `tox -e genconfig` writes a sample.",
    ]
    for group, members in options:
        name = getattr(group, "name", group) or "DEFAULT"
        rows = [
            (
                code(option.dest),
                code(option.type),
                "secret" if option.secret else code(option.default),
                plain(option.help or ""),
            )
            for option in members
        ]
        parts += [f"## {name}", table(["option", "type", "default", "what it changes"], rows)]
    return "\n\n".join(parts)


def every_error() -> list[type[error_tree.Error]]:
    """Return every class of the cloud's error tree."""
    for found in pkgutil.walk_packages(iotronic_mec.features.__path__, "iotronic_mec.features."):
        importlib.import_module(found.name)
    assert problem, "its errors are part of the tree"
    return [kind for kind in error_tree.tree() if kind is not error_tree.RemoteError]


def errors() -> str:
    """Return the page of the error codes."""
    cloud = {kind.code: (kind.http_status, first_sentence(kind)) for kind in every_error()[::-1]}
    wire = {kind.uri: first_sentence(kind) for kind in subclasses(wire_errors.WireError)}
    board = {kind.code: first_sentence(kind) for kind in subclasses(board_errors.Error)}
    closes = [
        (code(value), name.removeprefix("CLOSE_").lower().replace("_", " "))
        for name, value in sorted(vars(wire_errors).items())
        if name.startswith("CLOSE_") and name != "CLOSE_PREFIX"
    ]
    return "\n\n".join(
        [
            "# Error codes",
            "A code is stable: it is never renamed and never used for anything else. Programs"
            " look at the code, people read the message.",
            "## Of the REST API",
            table(
                ["code", "status", "meaning"],
                [(code(key), str(status), text) for key, (status, text) in sorted(cloud.items())],
            ),
            "## Between board and cloud",
            "Error URIs of WAMP calls:",
            table(["URI", "meaning"], [(code(key), text) for key, text in sorted(wire.items())]),
            "Reasons for which the cloud closes a board's session:",
            table(["reason", "meaning"], closes),
            "## On the board",
            "Codes of the agent and its supervisor, in `details` and in the agent's log:",
            table(["code", "meaning"], [(code(key), text) for key, text in sorted(board.items())]),
        ]
    )


def subclasses(root: type) -> list[type]:
    """Return a class and everything below it, deepest first."""
    return [kind for child in root.__subclasses__() for kind in subclasses(child)] + [root]
