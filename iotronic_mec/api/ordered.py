"""The answer to an order: its result, or where to find it later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iotronic_mec.api import links
from iotronic_mec.api.controller import Answer, Call
from iotronic_mec.api.fields import LinkShape, Shape


class AcceptedShape(Shape):
    """An order that is carried out after this answer."""

    request: str
    state: str
    links: list[LinkShape]


class FleetAcceptedShape(Shape):
    """A request for the boards of a fleet."""

    request: str
    state: str
    total: int
    pending_requests: int
    links: list[LinkShape]


def answered(call: Call, done: Mapping[str, Any], *, wait: bool) -> Answer:
    """Return the answer to an order.

    :param done: what the command gave: ``request``, ``state``, ``message``
    :param wait: whether the caller waited for the end
    """
    headers = {"X-IoT-Request": str(done["request"])}
    if wait:
        return Answer(body=done["message"], headers=headers)
    where = links.location(call, "requests", done["request"])
    body = {
        "request": done["request"],
        "state": done["state"],
        "links": links.links(call, "requests", done["request"]),
    }
    return Answer(status=202, body=body, headers={**headers, "Location": where})


def answered_fleet(call: Call, made: Mapping[str, Any]) -> Answer:
    """Return the answer to an order to the boards of a fleet: where to find its results.

    :param made: what the command gave: ``request``, ``state``, ``total``, ``pending``
    """
    body = {
        "request": made["request"],
        "state": made["state"],
        "total": made["total"],
        "pending_requests": made["pending"],
        "links": links.links(call, "requests", made["request"]),
    }
    where = links.location(call, "requests", made["request"])
    return Answer(body=body, headers={"Location": where, "X-IoT-Request": str(made["request"])})
