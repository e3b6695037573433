"""JSON bodies and answers of the routes of plugins on boards."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from iotronic_mec.api.fields import (
    Body,
    Boolean,
    Integer,
    JSONObject,
    Query,
    Sequence,
    Shape,
    UUIDOrName,
)


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


class LogQuery(Query):
    """Which lines of a log: the oldest after line ``after``, without it the newest."""

    after: Sequence | None = None
    lines: Annotated[Integer, Field(ge=1, le=1000)] = 100


class LineShape(Shape):
    """One line a plugin wrote; ``n`` is its number."""

    n: int
    time: str
    stream: str
    text: str


class LogShape(Shape):
    """Lines of a log.

    ``after`` is what to ask with for what follows. ``missed`` lines were asked for
    and are not kept any more; ``dropped`` came too fast and were never kept.
    """

    lines: list[LineShape]
    after: int
    missed: int
    dropped: int


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
