"""JSON bodies and answers of the routes of plugins on boards."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from iotronic_mec.api.fields import Body, Boolean, JSONObject, Query, Shape, UUIDOrName


class InjectBody(Body):
    """Which plugin to inject. ``wait`` false answers 202 at once."""

    plugin: UUIDOrName
    onboot: Boolean = False
    wait: Boolean = True


class ActionBody(Body):
    """An action of an injected plugin. ``wait`` false answers 202 at once."""

    action: str = Field(max_length=40)
    parameters: JSONObject = Field(default_factory=dict)
    wait: Boolean = True


class RemoveQuery(Query):
    """``wait`` false answers 202 at once."""

    wait: Boolean = True


class InjectionShape(Shape):
    """One plugin on one board, as wanted and as reported."""

    plugin: str
    name: str | None = None
    status: str
    onboot: bool
    running: bool
    converged: bool
    digest: str
    actual: str | None = None
    pid: int | None = None
    started_at: str | None = None
    cause: dict[str, Any] | None = None
    created_at: str | None = None
    updated_at: str | None = None


class InjectionList(Shape):
    """The plugins of a board."""

    injections: list[InjectionShape]


class ReasonShape(Shape):
    """One reason, and what would mend it."""

    code: str
    text: str
    cure: str


class ExplainShape(Shape):
    """Whether a board is online and converged, and if not, why."""

    board: str
    online: bool
    converged: bool
    reasons: list[ReasonShape]
